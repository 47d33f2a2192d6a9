import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import { noTracer, type Tracer } from '../kit/tracer.js';
import { CLOSE } from '../wire/codes.js';
import { type HttpHandler, type HttpResponse, problem } from '../wire/http.js';
import { LIMITS } from '../wire/messages.js';
import { AtMost } from './at-most.js';
import { BinanceDialect } from './binance/dialect.js';
import { Reader } from './binance/reader.js';
import type { ClientSocket, Connection } from './connection.js';
import { type Context, end } from './context.js';
import type { Dialect, Place } from './dialect.js';
import { lookAtExpiry } from './expiry.js';
import type { History } from './history.js';
import { Hub } from './hub.js';
import { receive } from './inbound.js';
import { cancel, quit } from './joining.js';
import { assertLimits, DEFAULT_LIMITS, type GatewayLimits } from './limits.js';
import { NativeDialect, STREAM_PATH } from './native.js';
import { pause } from './pause.js';
import { Replays } from './replay/replays.js';
import type { ReplaySource } from './replay/source.js';
import { settle } from './settle.js';
import { SignalHub } from './signal-hub.js';
import { answered, lookAt } from './slow.js';
import type { SourceBus } from './source-bus.js';
import { EventStreams, SSE_PATH } from './sse/streams.js';
import { GatewayStats } from './stats.js';
import type { Outlet, Publish } from './topic.js';
import type { TradeSource } from './trade-source.js';
import type {
  CreateTransport,
  SocketHandlers,
  Transport,
  UpgradeDecision,
  UpgradeRequest,
} from './transport/transport.js';
import { Turns } from './turns.js';
import { NO_USERS, type UserParts, Users } from './users.js';

const MAX_BODY_BYTES = 1024 * 1024;
/** Sockets closed at once while draining, and the pause between such slices. */
const DRAIN_SLICE = 100;
const DRAIN_PAUSE_MS = 50;
/** Windows read from the bus at a time. */
const LOADS = 64;
/** Reads of users' signals at a time. */
const SIGNAL_READS = 32;
const SLOTS = 1 << 20;
/** How often tickers are told, as at Binance. */
const TICKER_MS = 1000;

export interface GatewayOptions {
  readonly createTransport: CreateTransport;
  /** Answers everything that is no WebSocket. */
  readonly http: HttpHandler;
  readonly bus: SourceBus;
  readonly history: History;
  /** What replays are read from; null, the default: there are none. */
  readonly replays?: ReplaySource | null;
  /** Default: nobody can authenticate. */
  readonly users?: UserParts;
  /** Single trades; null, the default: there are none to be had. */
  readonly trades?: TradeSource | null;
  /** Origins of pages on other hosts that may connect, such as "https://app.example.com"; "*" for all. Default: none. */
  readonly allowedOrigins?: readonly string[];
  /** See TransportOptions. */
  readonly trustedProxies?: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Named in `welcome`, such as "candlecast/0.1.0". */
  readonly server: string;
  readonly limits?: Partial<GatewayLimits>;
  /** Counted into; default: its own. */
  readonly stats?: GatewayStats;
  /** Default: none. */
  readonly tracer?: Tracer;
  /** 0 to 1; spreads closes while draining, and attempts. */
  readonly random?: () => number;
}

/** The WebSocket server: connections on one side, channels on the other, and dialects between them. */
export class Gateway {
  readonly transport: Transport;
  readonly stats: GatewayStats;
  /** The candles in memory, for HTTP. */
  readonly reader: Reader;
  readonly #options: GatewayOptions;
  readonly #limits: GatewayLimits;
  readonly #context: Context;
  readonly #connections = new Set<Connection>();
  readonly #byAddress = new Map<string, number>();
  readonly #timers: (() => void)[];
  readonly #outlet: Outlet;
  readonly #native: NativeDialect;
  readonly #binance: BinanceDialect;
  readonly #streams: EventStreams;
  #draining = false;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.stats = options.stats ?? new GatewayStats();
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    assertLimits(this.#limits);
    const origins = new Set(options.allowedOrigins);
    this.#native = new NativeDialect(options.server, origins, options.clock);
    const handlers = this.#handlers();
    const http: HttpHandler = (request) =>
      request.path === SSE_PATH ? this.#streams.answer(request) : options.http(request);
    this.transport = options.createTransport(http, handlers, {
      maxInboundBytes: LIMITS.inboundBytes,
      maxBodyBytes: MAX_BODY_BYTES,
      maxBufferedBytes: this.#limits.maxBufferedBytes,
      idleTimeoutMs: this.#limits.idleTimeoutMs,
      trustedProxies: options.trustedProxies ?? 0,
    });
    const publish: Publish = (key, frame) => {
      this.transport.publish(key, frame);
      this.#streams.publish(key, frame);
    };
    this.#outlet = { publish, stats: this.stats };
    this.#context = this.#createContext();
    this.#binance = new BinanceDialect(this.#context.hub, this.#outlet, options.clock, options.trades ?? null);
    this.reader = new Reader(this.#context.hub, this.#binance.streams.days);
    this.#streams = this.#createStreams(handlers, origins);
    const { clock } = options;
    this.#timers = [
      clock.every(this.#limits.sweepMs, () => this.sweep()),
      clock.every(this.#limits.heartbeatMs, () => this.#context.hub.heartbeat()),
      clock.every(this.#limits.watchMs, () => void this.watch()),
      clock.every(TICKER_MS, () => this.#binance.tick()),
    ];
  }

  /** @returns the port. Rejects when it is in use. */
  listen(host: string, port: number): Promise<number> {
    return this.transport.listen(host, port);
  }

  /** Channels held in memory. */
  get channels(): number {
    return this.#context.hub.size;
  }

  /** Looks at every connection and channel once; a timer does that every `sweepMs`. */
  sweep(): void {
    for (const connection of this.#connections) {
      lookAtExpiry(connection, this.#context);
      lookAt(connection, this.#context);
    }
    this.#binance.sweep(this.#options.clock.now());
    this.#context.users.sweep();
    this.#context.hub.sweep(this.#options.clock.now());
  }

  /**
   * Compares channels that are quiet or stale with the bus, and says to subscribers what is stale; a timer does that every
   * `watchMs`. Resolves when the comparison is through.
   */
  watch(): Promise<void> {
    return this.#context.hub.watch.round();
  }

  /**
   * Refuses new connections and closes all others with 1001 in slices, in random order, spread over `deadlineMs`.
   * Resolves when none is left or the deadline has passed.
   */
  async drain(deadlineMs: number): Promise<void> {
    this.#draining = true;
    this.transport.stopListening();
    const { clock, random = Math.random } = this.#options;
    const deadline = clock.now() + deadlineMs;
    const left = this.#shuffled();
    const slices = Math.max(1, Math.floor((deadlineMs * 0.8) / DRAIN_PAUSE_MS));
    const size = Math.max(DRAIN_SLICE, Math.ceil(left.length / slices));
    for (let i = 0; i < left.length; i += size) {
      for (const connection of left.slice(i, i + size)) this.#sendAway(connection);
      if (i + size < left.length) await pause(clock, DRAIN_PAUSE_MS * (0.5 + random()));
    }
    while (this.#connections.size > 0 && clock.now() < deadline) await pause(clock, DRAIN_PAUSE_MS);
  }

  #sendAway(connection: Connection): void {
    const farewell = connection.closing ? null : connection.dialect.farewell(connection, this.#options.clock.now());
    if (farewell !== null) connection.socket?.send(farewell);
    end(connection, CLOSE.goingAway, this.stats);
  }

  /** Cuts what is left and stops. */
  async close(): Promise<void> {
    this.#draining = true;
    for (const stop of this.#timers) stop();
    this.#binance.stop();
    this.#context.hub.stop();
    this.#context.users.stop();
    await this.transport.close();
  }

  #createContext(): Context {
    const { bus, history, clock, log, random = Math.random } = this.#options;
    const { resumeCandles, catchUpMs } = this.#limits;
    const outlet = this.#outlet;
    const shared = { loads: new AtMost(LOADS), turns: new Turns(), kept: { candles: 0 } };
    const deps = { bus, history, outlet, clock, log, random, resumeCandles, catchUpMs, ...shared };
    const startedAt = clock.now();
    const uptimeMs = (): number => clock.now() - startedAt;
    const parts = this.#options.users ?? NO_USERS;
    const { recheckMs, verifyMs, lingerMs } = this.#limits;
    const users = { clock, log, stats: this.stats, random, uptimeMs, recheckMs, verifyMs };
    const signals = new SignalHub({ feed: parts.signals, outlet, clock, reads: new AtMost(SIGNAL_READS) });
    return {
      hub: new Hub(deps, lingerMs, signals),
      users: new Users(parts, {
        ...users,
        settle: (connection, result) => settle(connection, result, this.#context),
      }),
      replays: new Replays(this.#options.replays ?? null, clock),
      limits: this.#limits,
      stats: this.stats,
      clock,
      log,
      tracer: this.#options.tracer ?? noTracer,
      uptimeMs,
    };
  }

  #createStreams(handlers: SocketHandlers<Connection>, origins: ReadonlySet<string>): EventStreams {
    const host = {
      context: this.#context,
      handlers,
      origins,
      random: this.#options.random ?? Math.random,
      createConnection: () => this.#native.connection('json', this.#nextPlace(), null),
      refuse: (remoteAddress: string) => this.#noRoom(remoteAddress),
    };
    return new EventStreams(host, this.#limits.maxBufferedBytes);
  }

  #handlers(): SocketHandlers<Connection> {
    return {
      upgrade: (request) => this.#upgrade(request),
      open: (socket) => this.#open(socket),
      message: (socket, text) => receive(socket.data, text, this.#context),
      pong: (socket, payload) => answered(socket.data, payload, this.#context),
      drain: (socket) => socket.data.stir(),
      close: (socket, code) => this.#closed(socket, code),
    };
  }

  #upgrade(request: UpgradeRequest): UpgradeDecision<Connection> {
    const dialect = this.#dialectOf(request.path);
    const room = dialect && (dialect.refuse(request) ?? this.#noRoom(request.remoteAddress));
    if (dialect !== null && room === null) return dialect.create(request, this.#nextPlace());
    const refuse = room ?? NOT_HERE;
    this.stats.refused(refuse.status);
    return { refuse };
  }

  #dialectOf(path: string): Dialect | null {
    return [this.#native, this.#binance].find((dialect) => dialect.takes(path)) ?? null;
  }

  #nextPlace(): Place {
    return { slot: this.stats.connectionsTotal % SLOTS, tokens: this.#limits.messageBurst };
  }

  /** null: there is room for a connection from there. */
  #noRoom(remoteAddress: string): HttpResponse | null {
    const { connections, connectionsPerAddress } = this.#limits;
    if (this.#draining)
      return problem(503, 'Service Unavailable', 'the server is going away: try again', {}, { 'retry-after': '1' });
    if (this.#connections.size >= connections)
      return problem(503, 'Service Unavailable', `the limit of ${connections} connections is reached`, {}, RETRY);
    if ((this.#byAddress.get(remoteAddress) ?? 0) >= connectionsPerAddress)
      return problem(
        429,
        'Too Many Requests',
        `the limit is ${connectionsPerAddress} connections an address`,
        {},
        RETRY,
      );
    return null;
  }

  #open(socket: ClientSocket): void {
    const connection = socket.data;
    connection.socket = socket;
    connection.tokensAt = this.#context.uptimeMs();
    this.#connections.add(connection);
    this.#countAddress(socket.remoteAddress, 1);
    this.stats.connections++;
    this.stats.connectionsTotal++;
    connection.dialect.opened(connection, this.#context);
  }

  #closed(socket: ClientSocket, code: number): void {
    const connection = socket.data;
    if (!this.#connections.delete(connection)) return;
    this.#countAddress(socket.remoteAddress, -1);
    this.stats.connections--;
    if (!connection.closing) this.stats.closed(code);
    if (connection.lagging) this.stats.lagging--;
    connection.socket = null;
    this.#context.users.remove(connection);
    for (const topic of [...connection.live]) quit(connection, topic, this.#context);
    for (const job of connection.jobs) cancel(connection, job);
    connection.stir();
  }

  #countAddress(address: string, by: number): void {
    const count = (this.#byAddress.get(address) ?? 0) + by;
    if (count > 0) this.#byAddress.set(address, count);
    else this.#byAddress.delete(address);
  }

  #shuffled(): Connection[] {
    const random = this.#options.random ?? Math.random;
    const all = [...this.#connections];
    for (let i = all.length - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      const [a, b] = [all[i], all[j]];
      if (a && b) [all[i], all[j]] = [b, a];
    }
    return all;
  }
}

const RETRY = { 'retry-after': '5' };
const NOT_HERE = problem(404, 'Not Found', `no WebSocket here: connect to ${STREAM_PATH}`);
