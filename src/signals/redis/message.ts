import { z } from 'zod';
import type { Hint } from '../hints.js';
import type { StoredSignal } from '../signal.js';

/** A larger message tells only that there is something: everybody reads it from PostgreSQL. */
const MAX_MESSAGE_LENGTH = 64 * 1024;

const time = z.number();
const uuid = z.string().length(36);
const signal = z.object({
  id: uuid,
  userId: uuid,
  seq: z.int().positive(),
  type: z.string(),
  symbol: z.string(),
  data: z.record(z.string(), z.unknown()).nullable(),
  createdAt: time,
  expiresAt: time.nullable(),
  readAt: time.nullable(),
  source: z.enum(['publisher', 'rule']),
  ruleId: uuid.nullable(),
  publisherId: uuid.nullable(),
  corrects: uuid.nullable(),
}) satisfies z.ZodType<StoredSignal>;
const message = z.object({ userId: uuid, seq: z.int().positive(), signals: z.array(signal) });

export function encodeHint(hint: Hint): string {
  const text = JSON.stringify(hint);
  return text.length <= MAX_MESSAGE_LENGTH ? text : JSON.stringify({ ...hint, signals: [] });
}

/** @returns null where it is not ours, or not about this user alone. */
export function decodeHint(userId: string, text: string): Hint | null {
  const parsed = message.safeParse(parse(text));
  if (!parsed.success) return null;
  const hint = parsed.data;
  const isOwn = hint.userId === userId && hint.signals.every((one) => one.userId === userId);
  return isOwn && isWhole(hint) ? hint : null;
}

function isWhole({ seq, signals }: Hint): boolean {
  const first = seq - signals.length + 1;
  return signals.every((one, i) => one.seq === first + i);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
