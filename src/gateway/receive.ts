import type { z } from 'zod';
import { CLOSE } from '../wire/codes.js';
import { type ClientMessage, clientMessage, LIMITS, type MessageId } from '../wire/messages.js';
import type { Connection } from './connection.js';
import { type Context, type ErrorDetails, end, replyError } from './context.js';
import { ack } from './verbs/ack.js';
import { auth } from './verbs/auth.js';
import { list } from './verbs/list.js';
import { ping } from './verbs/ping.js';
import { subscribe } from './verbs/subscribe.js';
import { unsubscribe } from './verbs/unsubscribe.js';

const OPS: ReadonlySet<unknown> = new Set<ClientMessage['op']>([
  'subscribe',
  'unsubscribe',
  'list',
  'ping',
  'auth',
  'ack',
]);

/** What a frame takes beside its text. */
const FRAME_BYTES = 64;

/** One inbound frame; `text` is null where it was binary. */
export function receive(connection: Connection, text: string | null, context: Context): void {
  if (connection.closing || !admit(connection, context)) return;
  if (connection.waiting === null) accept(connection, text, context);
  else if (sizeOf(connection.waiting) < context.limits.waitingBytes) connection.waiting.push(text);
  else {
    const message = `over ${context.limits.waitingBytes} bytes while a token is verified: dropped`;
    replyError(connection, { code: 'rate_limited', message }, context.stats);
  }
}

function sizeOf(frames: readonly (string | null)[]): number {
  return frames.reduce((bytes, text) => bytes + FRAME_BYTES + (text?.length ?? 0), 0);
}

/** What comes while the token is verified waits its turn: messages are answered in order. */
export function verify(connection: Connection, token: string, id: MessageId | undefined, context: Context): void {
  connection.waiting = [];
  void auth(connection, token, id, context).then(() => goOn(connection, context));
}

function goOn(connection: Connection, context: Context): void {
  const waiting = connection.waiting ?? [];
  connection.waiting = null;
  for (let i = 0; i < waiting.length; i++) {
    if (connection.closing || connection.socket === null) return;
    accept(connection, waiting[i] ?? null, context);
    if (connection.waiting === null) continue;
    // Another token: the rest waits for it.
    connection.waiting = waiting.slice(i + 1);
    return;
  }
}

function accept(connection: Connection, text: string | null, context: Context): void {
  const message = parse(text);
  if ('code' in message) invalid(connection, message, context);
  else dispatch(connection, message, context);
}

function dispatch(connection: Connection, message: ClientMessage, context: Context): void {
  connection.invalid = 0;
  switch (message.op) {
    case 'subscribe':
      subscribe(connection, message, context);
      break;
    case 'unsubscribe':
      unsubscribe(connection, message, context);
      break;
    case 'list':
      list(connection, message);
      break;
    case 'auth':
      verify(connection, message.token, message.id, context);
      break;
    case 'ack':
      ack(connection, message, context);
      break;
    case 'ping':
      ping(connection, message, context);
      break;
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

function invalid(connection: Connection, error: ErrorDetails, context: Context): void {
  connection.invalid++;
  replyError(connection, error, context.stats);
  if (connection.invalid > context.limits.invalidInARow) end(connection, CLOSE.protocolError, context.stats);
}

function parse(text: string | null): ClientMessage | ErrorDetails {
  if (text === null) return { code: 'binary_not_accepted', message: 'send text frames with JSON' };
  const value = parseObject(text);
  if (value === null) return { code: 'invalid_json', message: 'the frame is not a JSON object' };
  const id = idOf(value);
  if (typeof value.op === 'string' && !OPS.has(value.op))
    return { id, code: 'unknown_op', message: `no such op: one of ${[...OPS].join(', ')}` };
  const parsed = clientMessage.safeParse(value);
  return parsed.success ? parsed.data : { id, code: 'invalid_message', message: describe(parsed.error) };
}

/** Inbound frames are at most 4 KiB, which bounds the depth; nothing of them is walked before the schema. */
function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

function idOf(value: Record<string, unknown>): MessageId | undefined {
  const id = value.id;
  if (typeof id === 'string') return id.length <= LIMITS.idLength ? id : undefined;
  return Number.isSafeInteger(id) ? (id as number) : undefined;
}

/** The field and what is wrong with it: `channels[3].snapshot: …`. Of alternatives, the one that got furthest. */
function describe(error: z.ZodError): string {
  const { path, issue } = deepest(error.issues, []);
  const field = path
    .map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i > 0 ? '.' : ''}${String(key)}`))
    .join('');
  return `${field || 'message'}: ${issue.message}`.slice(0, 300);
}

type Issue = z.core.$ZodIssue;

function deepest(issues: readonly Issue[], base: readonly PropertyKey[]): { path: PropertyKey[]; issue: Issue } {
  const found = issues.map((issue) => {
    const path = [...base, ...issue.path];
    if (issue.code !== 'invalid_union' || issue.errors.length === 0) return { path, issue };
    const inner = issue.errors.filter((branch) => branch.length > 0).map((branch) => deepest(branch, path));
    return inner.reduce((best, next) => (next.path.length > best.path.length ? next : best), { path, issue });
  });
  return found.reduce((best, next) => (next.path.length > best.path.length ? next : best));
}
