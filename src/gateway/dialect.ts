import type { Frame } from '../wire/codec.js';
import type { HttpResponse } from '../wire/http.js';
import type { Connection } from './connection.js';
import type { Context, ErrorDetails } from './context.js';
import type { UpgradeRequest } from './transport/transport.js';

/** Of a connection that is about to be made. */
export interface Place {
  /** Spreads the pings of all connections over their period. */
  readonly slot: number;
  /** Messages that it may send at once. */
  readonly tokens: number;
}

/**
 * How the gateway talks on some of its paths. Connections, topics, limits, slow clients and draining are the same in all dialects;
 * theirs are the names, what clients send, and what they are sent.
 */
export interface Dialect {
  /** Why messages may have to wait, such as "a token is verified". */
  readonly busy: string;
  takes(path: string): boolean;
  /** Why the connection cannot be made; null: it can, if there is room. */
  refuse(request: UpgradeRequest): HttpResponse | null;
  /** `protocol`: the subprotocol that is chosen. */
  create(request: UpgradeRequest, place: Place): { readonly data: Connection; readonly protocol: string | null };
  opened(connection: Connection, context: Context): void;
  /** One frame that may be looked at now; null where it was binary. */
  accept(connection: Connection, text: string | null, context: Context): void;
  error(details: ErrorDetails, connection: Connection): Frame;
  /** What is sent before the server closes the connection because it goes away; null: the close says it all. */
  farewell(connection: Connection, nowMs: number): Frame | null;
}
