import { z } from 'zod';
import type { Position } from '../market/position.js';

/** A signal on the wire. Times are epoch ms. */
export interface WireSignal {
  id: string;
  /** Place among the user's signals; ascending, not always by one. */
  seq: number;
  type: string;
  symbol: string;
  data: Readonly<Record<string, unknown>> | null;
  createdAt: number;
  expiresAt: number | null;
  source: 'publisher' | 'rule';
  /** Of the user's rule that made it. */
  rule?: string;
  /** Id of the earlier signal that this one puts right. */
  corrects?: string;
}

/** In lists of REST. */
export interface ListedSignal extends WireSignal {
  /** null = not read yet. */
  readAt: number | null;
}

/**
 * A new signal on the channel `signals`: `seq` is the signal's own, `prev` that of what came before it. Whoever has a position
 * below `prev` has missed something and subscribes again with it.
 */
export type SignalMessage = { type: 'signal'; channel: 'signals'; prev: number; signal: WireSignal } & Position;

const time = z.int().nonnegative();
const seq = z.int().nonnegative();

export const wireSignal = z.strictObject({
  id: z.uuid(),
  seq,
  type: z.string(),
  symbol: z.string(),
  data: z.record(z.string(), z.unknown()).nullable(),
  createdAt: time,
  expiresAt: time.nullable(),
  source: z.enum(['publisher', 'rule']),
  rule: z.uuid().exactOptional(),
  corrects: z.uuid().exactOptional(),
}) satisfies z.ZodType<WireSignal>;

export const listedSignal = z.strictObject({
  ...wireSignal.shape,
  readAt: time.nullable(),
}) satisfies z.ZodType<ListedSignal>;

export const signalMessage = z.strictObject({
  type: z.literal('signal'),
  channel: z.literal('signals'),
  epoch: z.int().nonnegative(),
  seq,
  prev: seq,
  signal: wireSignal,
}) satisfies z.ZodType<SignalMessage>;
