import { CLOSE } from '../wire/codes.js';
import type { Connection } from './connection.js';
import { type Context, type ErrorDetails, end, replyError } from './context.js';

/** What a frame takes beside its text. */
const FRAME_BYTES = 64;

/** One inbound frame; `text` is null where it was binary. */
export function receive(connection: Connection, text: string | null, context: Context): void {
  if (connection.closing || !admit(connection, context)) return;
  if (connection.waiting === null) connection.dialect.accept(connection, text, context);
  else if (sizeOf(connection.waiting) < context.limits.waitingBytes) connection.waiting.push(text);
  else {
    const message = `over ${context.limits.waitingBytes} bytes while ${connection.dialect.busy}: dropped`;
    replyError(connection, { code: 'rate_limited', message }, context.stats);
  }
}

/** What comes until the work is done waits its turn: messages are answered in order. */
export function hold(connection: Connection, work: Promise<void>, context: Context): void {
  connection.waiting = [];
  const failed = (error: unknown) => context.log.error({ error }, 'a message could not be worked on');
  void work.catch(failed).then(() => goOn(connection, context));
}

/** It was no message. */
export function invalid(connection: Connection, error: ErrorDetails, context: Context): void {
  replyError(connection, error, context.stats);
  countInvalid(connection, context);
}

export function countInvalid(connection: Connection, context: Context): void {
  connection.invalid++;
  if (connection.invalid > context.limits.invalidInARow) end(connection, CLOSE.protocolError, context.stats);
}

function sizeOf(frames: readonly (string | null)[]): number {
  return frames.reduce((bytes, text) => bytes + FRAME_BYTES + (text?.length ?? 0), 0);
}

function goOn(connection: Connection, context: Context): void {
  const waiting = connection.waiting ?? [];
  connection.waiting = null;
  for (let i = 0; i < waiting.length; i++) {
    if (connection.closing || connection.socket === null) return;
    connection.dialect.accept(connection, waiting[i] ?? null, context);
    if (connection.waiting === null) continue;
    // Work again: the rest waits for it.
    connection.waiting = waiting.slice(i + 1);
    return;
  }
}

/** A token bucket; over it one error reply, then, when as many again as its burst were refused, the close. */
function admit(connection: Connection, { limits, stats, uptimeMs }: Context): boolean {
  const now = uptimeMs();
  const refill = Math.floor(((now - connection.tokensAt) * limits.messagesPerSecond) / 1000);
  if (refill > 0) {
    connection.tokens = Math.min(limits.messageBurst, connection.tokens + refill);
    connection.tokensAt = now;
  }
  if (connection.tokens === limits.messageBurst) connection.refused = 0;
  if (connection.tokens > 0) {
    connection.tokens--;
    return true;
  }
  connection.refused++;
  const message = `over ${limits.messagesPerSecond} messages a second (${limits.messageBurst} at once): dropped until you slow down`;
  if (connection.refused === 1) replyError(connection, { code: 'rate_limited', message }, stats);
  if (connection.refused > limits.messageBurst) end(connection, CLOSE.rateLimited, stats);
  return false;
}
