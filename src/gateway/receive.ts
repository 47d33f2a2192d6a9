import type { z } from 'zod';
import { type ClientMessage, clientMessage, LIMITS, type MessageId } from '../wire/messages.js';
import type { Connection } from './connection.js';
import type { Context, ErrorDetails } from './context.js';
import { hold, invalid } from './inbound.js';
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

/** One frame of the native protocol; `text` is null where it was binary. */
export function accept(connection: Connection, text: string | null, context: Context): void {
  const message = parse(text);
  if ('code' in message) invalid(connection, message, context);
  else dispatch(connection, message, context);
}

/** What comes while the token is verified waits its turn. */
export function verify(connection: Connection, token: string, id: MessageId | undefined, context: Context): void {
  hold(connection, auth(connection, token, id, context), context);
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
