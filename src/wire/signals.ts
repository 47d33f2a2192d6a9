import { z } from 'zod';
import type { Position } from '../market/position.js';
import { SYMBOL_PATTERN, SYMBOL_RULE } from '../market/symbol.js';
import { isStorableJson, STORABLE_RULE } from './storable.js';

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

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** Epoch ms of 2000: what is below is meant as seconds. */
const FIRST_TIME = 946_684_800_000;
/** Epoch ms of the end of the year 9999: beyond, PostgreSQL reads another notation. */
export const LAST_TIME = 253_402_300_799_999;

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

const MAX_DATA_LENGTH = 4096;
const MAX_DATA_DEPTH = 16;
/** Signals that one request may make, all users counted. */
export const MAX_SIGNALS = 1000;

const userId = z.string('must be a UUID').regex(UUID, 'must be a UUID').toLowerCase();
const content = {
  type: z
    .string('must be a text')
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,49}$/, 'must be 1 to 50 of A-Z, a-z, 0-9, ".", "_" and "-"'),
  symbol: z.string('must be a text').regex(SYMBOL_PATTERN, `must be ${SYMBOL_RULE}`),
  data: z
    .record(z.string(), z.unknown(), 'must be an object')
    .refine(
      isDataStorable,
      `must be JSON of at most ${MAX_DATA_LENGTH} characters and ${MAX_DATA_DEPTH} levels, and ${STORABLE_RULE}`,
    )
    .nullable()
    .default(null),
  /** Epoch ms. */
  expiresAt: z
    .int('must be epoch milliseconds')
    .min(FIRST_TIME, 'must be epoch milliseconds')
    .max(LAST_TIME)
    .nullable()
    .default(null),
  corrects: userId.nullable().default(null),
};

/** `to`: a user, some users, or all whose plan has signals on the symbol. */
export const signalToUsers = z.strictObject({
  ...content,
  to: z.union([userId, z.array(userId).min(1).max(MAX_SIGNALS)], 'must be the id of a user, a list of them, or "all"'),
});
export const signalToAll = z.strictObject({ ...content, to: z.literal('all') });
export const signalsInBulk = z.strictObject({ signals: z.array(signalToUsers).min(1).max(MAX_SIGNALS) });
export const readUpTo = z.strictObject({ seq: z.int('must be a seq').nonnegative('must be a seq') });

function isDataStorable(data: object): boolean {
  if (!isShallow(data, MAX_DATA_DEPTH)) return false;
  const json = JSON.stringify(data);
  return json.length <= MAX_DATA_LENGTH && isStorableJson(json);
}

function isShallow(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.values(value).every((one) => isShallow(one, levels - 1));
}
