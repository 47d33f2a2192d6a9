import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { Tracer } from '../kit/tracer.js';
import { encode } from '../wire/codec.js';
import type { ErrorCode } from '../wire/codes.js';
import type { LimitName, MessageId, ServerMessage } from '../wire/messages.js';
import type { Connection } from './connection.js';
import type { Hub } from './hub.js';
import type { GatewayLimits } from './limits.js';
import type { Replays } from './replay/replays.js';
import type { GatewayStats } from './stats.js';
import type { Users } from './users.js';

/** What verbs and jobs work with. */
export interface Context {
  readonly hub: Hub;
  readonly users: Users;
  readonly replays: Replays;
  readonly limits: GatewayLimits;
  readonly stats: GatewayStats;
  readonly clock: Clock;
  readonly log: Log;
  readonly tracer: Tracer;
  /** ms since the gateway started. */
  uptimeMs(): number;
}

export function reply(connection: Connection, message: ServerMessage): void {
  connection.socket?.send(encode(message, connection.encoding));
}

export interface ErrorDetails {
  readonly code: ErrorCode;
  readonly message: string;
  readonly id?: MessageId | undefined;
  readonly channel?: string;
  /** With `plan_limit`. */
  readonly plan?: string;
  readonly limit?: LimitName;
}

/** One that was sent. */
export function countError(code: ErrorCode, stats: GatewayStats): void {
  stats.error(code);
}

export function replyError(connection: Connection, details: ErrorDetails, stats: GatewayStats): void {
  countError(details.code, stats);
  connection.socket?.send(connection.dialect.error(details, connection));
}

/** Sends the close; what was sent before it reaches the client first. */
export function end(connection: Connection, close: { code: number; reason: string }, stats: GatewayStats): void {
  if (connection.closing || connection.socket === null) return;
  connection.closing = true;
  stats.closed(close.code);
  connection.socket.close(close.code, close.reason);
}

/** `id` only where the client gave one. */
export function withId(id: MessageId | undefined): { id?: MessageId } {
  return id === undefined ? {} : { id };
}
