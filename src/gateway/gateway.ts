import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import { type Encoding, SUBPROTOCOLS } from '../wire/codec.js';
import { CLOSE } from '../wire/codes.js';
import { type HttpHandler, type HttpResponse, problem } from '../wire/http.js';
import { BEARER_PREFIX, LIMITS } from '../wire/messages.js';
import { isOriginAllowed } from '../wire/origin.js';
import { AtMost } from './at-most.js';
import { type ClientSocket, Connection } from './connection.js';
import { type Context, end, reply } from './context.js';
import { lookAtExpiry } from './expiry.js';
import type { History } from './history.js';
import { Hub } from './hub.js';
import { cancel, quit } from './joining.js';
import { assertLimits, DEFAULT_LIMITS, type GatewayLimits } from './limits.js';
import { pause } from './pause.js';
import { receive, verify } from './receive.js';
import { settle } from './settle.js';
import { SignalHub } from './signal-hub.js';
import { answered, lookAt } from './slow.js';
import type { SourceBus } from './source-bus.js';
import { EventStreams, SSE_PATH } from './sse/streams.js';
import { GatewayStats } from './stats.js';
import type { Publish } from './topic.js';
import type {
  CreateTransport,
  SocketHandlers,
  Transport,
  UpgradeDecision,
  UpgradeRequest,
} from './transport/transport.js';
import { Turns } from './turns.js';
import { NO_USERS, type UserParts, Users } from './users.js';

export const STREAM_PATH = '/v1/stream';
export const PROTOCOL = 'candlecast.v1';
const MAX_BODY_BYTES = 1024 * 1024;
/** Sockets closed at once while draining, and the pause between such slices. */
const DRAIN_SLICE = 100;
const DRAIN_PAUSE_MS = 50;
/** Windows read from the bus at a time. */
const LOADS = 64;
/** Reads of users' signals at a time. */
const SIGNAL_READS = 32;
const SLOTS = 1 << 20;

export interface GatewayOptions {
  readonly createTransport: CreateTransport;
  /** Answers everything that is no WebSocket. */
  readonly http: HttpHandler;
  readonly bus: SourceBus;
  readonly history: History;
  /** Default: nobody can authenticate. */
  readonly users?: UserParts;
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
  /** 0 to 1; spreads closes while draining, and attempts. */
  readonly random?: () => number;
}

/** The native WebSocket server: connections on one side, channels on the other. */
export class Gateway {
  readonly transport: Transport;
  readonly stats: GatewayStats;
  readonly #options: GatewayOptions;
  readonly #limits: GatewayLimits;
  readonly #context: Context;
  readonly #connections = new Set<Connection>();
  readonly #byAddress = new Map<string, number>();
  readonly #timers: (() => void)[];
  readonly #origins: ReadonlySet<string>;
  readonly #streams: EventStreams;
  #draining = false;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.stats = options.stats ?? new GatewayStats();
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    assertLimits(this.#limits);
    this.#origins = new Set(options.allowedOrigins);
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
    this.#context = this.#createContext();
    this.#streams = this.#createStreams(handlers);
    const { clock } = options;
    this.#timers = [
      clock.every(this.#limits.sweepMs, () => this.sweep()),
      clock.every(this.#limits.heartbeatMs, () => this.#context.hub.heartbeat()),
      clock.every(this.#limits.watchMs, () => void this.watch()),
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
      for (const connection of left.slice(i, i + size)) end(connection, CLOSE.goingAway, this.stats);
      if (i + size < left.length) await pause(clock, DRAIN_PAUSE_MS * (0.5 + random()));
    }
    while (this.#connections.size > 0 && clock.now() < deadline) await pause(clock, DRAIN_PAUSE_MS);
  }

  /** Cuts what is left and stops. */
  async close(): Promise<void> {
    this.#draining = true;
    for (const stop of this.#timers) stop();
    this.#context.hub.stop();
    this.#context.users.stop();
    await this.transport.close();
  }

  #createContext(): Context {
    const { bus, history, clock, log, random = Math.random } = this.#options;
    const { resumeCandles, catchUpMs } = this.#limits;
    const publish: Publish = (key, frame) => {
      this.transport.publish(key, frame);
      this.#streams.publish(key, frame);
    };
    const outlet = { publish, stats: this.stats };
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
      limits: this.#limits,
      stats: this.stats,
      clock,
      log,
      uptimeMs,
    };
  }

  #createStreams(handlers: SocketHandlers<Connection>): EventStreams {
    const host = {
      context: this.#context,
      handlers,
      origins: this.#origins,
      random: this.#options.random ?? Math.random,
      createConnection: () => this.#createConnection('json', null),
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
    const refuse = this.#refusal(request);
    if (refuse) {
      this.stats.refused++;
      return { refuse };
    }
    const protocol = request.protocols.find((name) => Object.hasOwn(SUBPROTOCOLS, name)) ?? null;
    const encoding: Encoding = (protocol && SUBPROTOCOLS[protocol]) || 'json';
    return { data: this.#createConnection(encoding, bearerOf(request)), protocol };
  }

  #createConnection(encoding: Encoding, bearer: string | null): Connection {
    const slot = this.stats.connectionsTotal % SLOTS;
    return new Connection(encoding, slot, this.#limits.messageBurst, bearer);
  }

  #refusal(request: UpgradeRequest) {
    if (request.path !== STREAM_PATH) return problem(404, 'Not Found', `no WebSocket here: connect to ${STREAM_PATH}`);
    if (!isOriginAllowed(request.header('origin'), request.header('host'), this.#origins))
      return problem(403, 'Forbidden', 'pages of this origin may not connect: the operator can allow it');
    const protocols = protocolProblem(request.protocols);
    if (protocols !== null) return problem(400, 'Bad Request', protocols);
    return this.#noRoom(request.remoteAddress);
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
    const { server, clock } = this.#options;
    const { heartbeatMs } = this.#limits;
    reply(connection, { type: 'welcome', protocol: PROTOCOL, server, time: clock.now(), heartbeatMs });
    const { bearer } = connection;
    connection.bearer = null;
    if (bearer !== null) verify(connection, bearer, undefined, this.#context);
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

function bearerOf({ protocols }: UpgradeRequest): string | null {
  return protocols.find((name) => name.startsWith(BEARER_PREFIX))?.slice(BEARER_PREFIX.length) ?? null;
}

/**
 * A browser insists on one of the protocols it offered, and the token is never sent back: beside a token an encoding must
 * be offered.
 */
function protocolProblem(offered: readonly string[]): string | null {
  const known = Object.keys(SUBPROTOCOLS).join(', ');
  if (offered.length === 0 || offered.some((name) => Object.hasOwn(SUBPROTOCOLS, name))) return tokenProblem(offered);
  if (offered.some((name) => name.startsWith(BEARER_PREFIX))) return `beside the token offer one of ${known}`;
  return `unknown subprotocol: one of ${known}, or none`;
}

function tokenProblem(offered: readonly string[]): string | null {
  const tokens = offered.filter((name) => name.startsWith(BEARER_PREFIX)).map((name) => name.length);
  if (tokens.length > 1) return 'offer one token only';
  const isGood = tokens.every(
    (length) => length > BEARER_PREFIX.length && length <= BEARER_PREFIX.length + LIMITS.tokenLength,
  );
  return isGood ? null : `a token has 1 to ${LIMITS.tokenLength} characters`;
}

const RETRY = { 'retry-after': '5' };
