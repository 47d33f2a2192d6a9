import type { Frame } from '../../wire/codec.js';
import type { HttpHandler, HttpResponse } from '../../wire/http.js';

/** One WebSocket connection. After its close every member is a harmless no-op. `data` is the gateway's own. */
export interface Socket<T> {
  readonly data: T;
  readonly remoteAddress: string;
  /** `dropped`: over the buffer limit, nothing was taken. */
  send(frame: Frame): 'sent' | 'buffered' | 'dropped' | 'closed';
  /** What `run` sends leaves in as few writes as possible. */
  cork(run: () => void): void;
  /** From now on frames published to `topic` reach this socket, in order with what `send` sends. */
  subscribe(topic: string): void;
  unsubscribe(topic: string): void;
  /** Bytes taken but not yet handed to the kernel. */
  bufferedBytes(): number;
  ping(payload: string): void;
  /** Sends what is buffered, then a close frame. */
  close(code: number, reason: string): void;
  /** Cuts the connection at once. */
  terminate(): void;
}

export interface UpgradeRequest {
  readonly path: string;
  /** What stands behind the question mark, as it came. */
  readonly rawQuery: string;
  readonly query: URLSearchParams;
  readonly protocols: readonly string[];
  readonly remoteAddress: string;
  header(name: string): string | undefined;
}

export type UpgradeDecision<T> =
  | { readonly data: T; readonly protocol: string | null }
  | { readonly refuse: HttpResponse };

export interface SocketHandlers<T> {
  /** Synchronous. Called for every WebSocket upgrade on any path. */
  upgrade(request: UpgradeRequest): UpgradeDecision<T>;
  open(socket: Socket<T>): void;
  /** `text` is null for a binary frame. Frames over `maxInboundBytes` are closed with 1009 before they get here. */
  message(socket: Socket<T>, text: string | null): void;
  pong(socket: Socket<T>, payload: string): void;
  /** Buffered bytes have left. */
  drain(socket: Socket<T>): void;
  close(socket: Socket<T>, code: number): void;
}

export interface TransportOptions {
  readonly maxInboundBytes: number;
  readonly maxBodyBytes: number;
  /** A socket whose buffer would pass this is cut (1006), so that what it got is a prefix without holes. */
  readonly maxBufferedBytes: number;
  /** A peer from which nothing at all came for this long is cut. 8 to 960 s. */
  readonly idleTimeoutMs: number;
  /** Proxies between clients and here, each of which appends to X-Forwarded-For. Default 0: the header is nobody's word. */
  readonly trustedProxies?: number;
}

/** How the port is taken. `shared`: with the other workers of this program, which take connections in turn. */
export type Listening = 'alone' | 'shared';

/** The seam between the gateway and the library that carries it. */
export interface Transport {
  readonly kind: 'uws' | 'node';
  /** @returns the port. Rejects with PortInUseError when another socket listens there; a shared one trusts its caller on that. Port 0 takes a free one. */
  listen(host: string, port: number): Promise<number>;
  /** To every subscriber of `topic`; what is published in one turn of the loop leaves each socket in as few writes as possible. */
  publish(topic: string, frame: Frame): void;
  /** No new connections; existing ones go on. */
  stopListening(): void;
  /** Cuts what is left. */
  close(): Promise<void>;
}

export type CreateTransport = <T>(
  http: HttpHandler,
  sockets: SocketHandlers<T>,
  options: TransportOptions,
) => Transport;
