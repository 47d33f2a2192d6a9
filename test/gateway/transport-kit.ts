import { once } from 'node:events';
import { type ClientOptions, WebSocket } from 'ws';
import { chooseTransport } from '../../src/gateway/transport/create.js';
import type { Socket, SocketHandlers, Transport, TransportOptions } from '../../src/gateway/transport/transport.js';
import type { Clock } from '../../src/kit/clock.js';
import type { Log } from '../../src/kit/log.js';
import { type HttpHandler, json } from '../../src/wire/http.js';

export const KINDS = ['uws', 'node'] as const;
export type Kind = (typeof KINDS)[number];

export const OPTIONS: TransportOptions = {
  maxInboundBytes: 4096,
  maxBodyBytes: 10_000,
  maxBufferedBytes: 256 * 1024,
  idleTimeoutMs: 60_000,
};

/** Time that only passes when `beat` says so. */
export class ManualClock implements Clock {
  readonly #runs = new Set<() => void>();
  now(): number {
    return 0;
  }
  every(_periodMs: number, run: () => void): () => void {
    this.#runs.add(run);
    return () => this.#runs.delete(run);
  }
  after(): () => void {
    return () => undefined;
  }
  beat(): void {
    for (const run of this.#runs) run();
  }
  get timers(): number {
    return this.#runs.size;
  }
}

/** Keeps what is logged. */
export class ListLog implements Log {
  readonly lines: { level: string; fields: object; message: string }[] = [];
  debug = (fields: object, message: string) => this.#add('debug', fields, message);
  info = (fields: object, message: string) => this.#add('info', fields, message);
  warn = (fields: object, message: string) => this.#add('warn', fields, message);
  error = (fields: object, message: string) => this.#add('error', fields, message);
  #add(level: string, fields: object, message: string): void {
    this.lines.push({ level, fields, message });
  }
}

export type Data = { name: string };
type Overrides = Partial<SocketHandlers<Data>> & {
  http?: HttpHandler;
  options?: Partial<TransportOptions>;
  clock?: Clock;
  port?: number;
};

export interface Server {
  transport: Transport;
  port: number;
  log: ListLog;
  /** Server-side sockets in the order of their opening. */
  sockets: Socket<Data>[];
  closes: { socket: Socket<Data>; code: number }[];
  /** Resolves when so many closes were reported. */
  closed(count: number): Promise<void>;
  /** Connects a client and gives both ends. */
  join(path?: string, protocols?: string[], options?: ClientOptions): Promise<{ client: Client; socket: Socket<Data> }>;
}

const running = new Set<Server>();
const clients = new Set<WebSocket>();

export async function stopAll(): Promise<void> {
  for (const client of clients) client.terminate();
  clients.clear();
  for (const server of running) await server.transport.close();
  running.clear();
}

export async function startServer(kind: Kind, overrides: Overrides = {}): Promise<Server> {
  const log = new ListLog();
  const create = await chooseTransport(kind, log, overrides.clock ?? new ManualClock());
  const sockets: Socket<Data>[] = [];
  const closes: Server['closes'] = [];
  const changes = new Signal();
  const handlers: SocketHandlers<Data> = {
    upgrade: (request) => ({ data: { name: request.path }, protocol: request.protocols[0] ?? null }),
    message() {},
    pong() {},
    drain() {},
    ...overrides,
    open(socket) {
      sockets.push(socket);
      overrides.open?.(socket);
      changes.fire();
    },
    close(socket, code) {
      closes.push({ socket, code });
      overrides.close?.(socket, code);
      changes.fire();
    },
  };
  const http = overrides.http ?? (() => json(404, { error: 'none' }));
  const transport = create(http, handlers, { ...OPTIONS, ...overrides.options });
  const port = await transport.listen('127.0.0.1', overrides.port ?? 0);
  const join: Server['join'] = async (path = '/v1/stream', protocols = [], options = {}) => {
    const index = sockets.length;
    const client = await connect(port, path, protocols, options);
    await changes.until(() => sockets.length > index);
    const socket = sockets[index];
    if (socket === undefined) throw new Error('not opened');
    return { client, socket };
  };
  const closed = (count: number) => changes.until(() => closes.length >= count);
  const server: Server = { transport, port, log, sockets, closes, closed, join };
  running.add(server);
  return server;
}

/** Wakes those who wait for a condition whenever something happened. */
export class Signal {
  readonly #waiting = new Set<() => void>();
  fire(): void {
    for (const check of this.#waiting) check();
  }
  until(condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve) => {
      const check = () => {
        if (!condition()) return;
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
    });
  }
}

export interface Client {
  ws: WebSocket;
  /** Text frames as strings, binary ones as buffers. */
  frames: (string | Buffer)[];
  received(count: number): Promise<void>;
  closed: Promise<{ code: number; reason: string }>;
}

export async function connect(
  port: number,
  path = '/v1/stream',
  protocols: string[] = [],
  options: ClientOptions = {},
): Promise<Client> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, { perMessageDeflate: false, ...options });
  clients.add(ws);
  const frames: (string | Buffer)[] = [];
  const changes = new Signal();
  ws.on('message', (data: Buffer, isBinary) => {
    frames.push(isBinary ? data : data.toString());
    changes.fire();
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    ws.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  await once(ws, 'open');
  ws.on('error', () => undefined);
  return { ws, frames, received: (count) => changes.until(() => frames.length >= count), closed };
}

/** One turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
