import type { ServerMessage } from '../wire/messages.js';
import { AUTH_ID, Auth } from './auth.js';
import { backoffMs } from './backoff.js';
import { CandlecastError } from './errors.js';
import { abandon, addressesOf, OPEN, socketClass } from './socket.js';
import type { ClientOptions, ConnectionState, Socket } from './types.js';

/** Silence after which the link counts as stale, and after which it is given up; in heartbeats. */
const STALE_HEARTBEATS = 1.5;
const DEAD_HEARTBEATS = 2.5;
const PINGS_PER_HEARTBEAT = 2;
const LOOKS_PER_HEARTBEAT = 10;
const DEFAULT_HEARTBEAT_MS = 10_000;
/** From the attempt to the answer about the token. */
const READY_TIMEOUT_MS = 10_000;
/** A connection that stood for so long was a good one: the next wait is a short one. */
const GOOD_MS = 5_000;
const TOKEN_EXPIRED = 4104;

export interface LinkEvents {
  onState(state: ConnectionState): void;
  /** A new connection that knows nothing: everything is to be asked for. */
  onReady(): void;
  onMessage(message: ServerMessage): void;
  onDown(): void;
  /** A few times each heartbeat while it is up. */
  onLook(heartbeatMs: number): void;
  onFailed(error: Error): void;
}

/** One WebSocket that comes back by itself, on any of the servers, and knows when it has died without a word. */
export class Link {
  readonly #options: ClientOptions;
  readonly #events: LinkEvents;
  readonly #urls: readonly string[];
  #at: number;
  #state: ConnectionState = { kind: 'idle' };
  #socket: Socket | null = null;
  #auth: Auth | null = null;
  /** Numbers attempts: what an older one still does is of no interest. */
  #run = 0;
  #attempt = 0;
  #refreshToken = false;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #looking: ReturnType<typeof setInterval> | undefined;
  #heartbeatMs = DEFAULT_HEARTBEAT_MS;
  #heardAt = 0;
  #readyAt: number | null = null;
  #pingedAt = 0;
  #isPinging = false;
  #sourceStale = false;
  /** Of the last ping, ms; null until known. */
  roundTripMs: number | null = null;
  /** What to add to this machine's clock to get the server's, ms. */
  clockOffsetMs = 0;

  constructor(options: ClientOptions, events: LinkEvents) {
    this.#options = options;
    this.#events = events;
    const { url } = options;
    this.#urls = (typeof url === 'string' ? [url] : url).map((one) => addressesOf(one).stream);
    if (this.#urls.length === 0) throw new TypeError('no url');
    this.#at = Math.floor(Math.random() * this.#urls.length);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Of the server it is connected to, or tries next. */
  get restUrl(): string {
    return addressesOf(this.#url).rest;
  }

  get isReady(): boolean {
    return this.#readyAt !== null;
  }

  start(): void {
    const { kind } = this.#state;
    if (kind === 'idle' || kind === 'failed') void this.#connect();
  }

  /** At once, where it waits to. */
  retryNow(): void {
    if (this.#state.kind === 'waiting') void this.#connect();
  }

  stop(last: 'idle' | 'closed'): void {
    this.#down(true);
    this.#attempt = 0;
    if (this.#state.kind !== last) this.#set({ kind: last });
  }

  send(message: object): void {
    if (this.#socket?.readyState === OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** What the channels say of the server's source. */
  setSourceStale(isStale: boolean): void {
    this.#sourceStale = isStale;
    this.#look();
  }

  get #url(): string {
    return this.#urls[this.#at] as string;
  }

  async #connect(): Promise<void> {
    this.#down(false);
    const run = this.#run;
    this.#set({ kind: 'connecting', url: this.#url });
    this.#deadline = setTimeout(() => this.#lost(1006, 'the server does not answer'), READY_TIMEOUT_MS);
    try {
      const make = this.#options.WebSocket ?? (await socketClass());
      if (run === this.#run) this.#open(new make(this.#url, ['candlecast.v1.json']));
    } catch (error) {
      if (run === this.#run) this.#lost(1006, error instanceof Error ? error.message : String(error));
    }
  }

  #open(socket: Socket): void {
    let reason = '';
    this.#socket = socket;
    socket.onopen = () => this.#opened();
    socket.onmessage = ({ data }) => this.#received(data);
    socket.onerror = (event) => {
      reason = (event as { message?: string }).message ?? '';
    };
    socket.onclose = (event) => this.#lost(event.code, event.reason || reason);
  }

  #opened(): void {
    this.#heardAt = performance.now();
    this.#auth = new Auth(this.#options.token, {
      send: (message) => this.send(message),
      accepted: () => this.#accepted(),
      lost: (reason) => this.#lost(1006, reason),
      refused: (error) => this.#fail(error),
    });
    void this.#auth.begin(this.#refreshToken);
  }

  #accepted(): void {
    this.#refreshToken = false;
    if (this.#readyAt !== null) return;
    clearTimeout(this.#deadline);
    this.#readyAt = performance.now();
    this.#pingedAt = 0;
    this.#isPinging = false;
    this.#watch();
    this.#set({ kind: 'live', url: this.#url });
    this.#events.onReady();
  }

  #received(data: unknown): void {
    this.#heardAt = performance.now();
    const message = parse(data);
    if (message === null) {
      this.#lost(1006, 'what came is no message');
      return;
    }
    switch (message.type) {
      case 'welcome':
        this.#heartbeatMs = message.heartbeatMs;
        this.clockOffsetMs = message.time - wallClockMs();
        if (this.isReady) this.#watch();
        break;
      case 'pong':
        this.#ponged(message.time);
        break;
      case 'authenticated':
        this.#auth?.authenticated();
        break;
      case 'auth_expiring':
        this.#auth?.expiring();
        break;
      case 'error':
        if (message.id === AUTH_ID) this.#auth?.failed(message);
        else this.#events.onMessage(message);
        break;
      default:
        this.#events.onMessage(message);
    }
  }

  #ponged(time: number): void {
    this.#isPinging = false;
    this.roundTripMs = performance.now() - this.#pingedAt;
    this.clockOffsetMs = time + this.roundTripMs / 2 - wallClockMs();
  }

  #watch(): void {
    clearInterval(this.#looking);
    this.#looking = setInterval(() => {
      this.#look();
      if (this.isReady) this.#events.onLook(this.#heartbeatMs);
    }, this.#heartbeatMs / LOOKS_PER_HEARTBEAT);
  }

  /** A half-open socket says nothing: only what arrives proves that the server is there. */
  #look(): void {
    if (this.#readyAt === null) return;
    const now = performance.now();
    const silentMs = now - this.#heardAt;
    if (silentMs > this.#heartbeatMs * DEAD_HEARTBEATS) {
      this.#lost(1006, 'no sign of life from the server');
      return;
    }
    const url = this.#url;
    const isSilent = silentMs > this.#heartbeatMs * STALE_HEARTBEATS;
    const reason = isSilent ? 'silent' : this.#sourceStale ? 'source' : null;
    if (reason === null && this.#state.kind === 'stale') this.#set({ kind: 'live', url });
    else if (reason !== null && !(this.#state.kind === 'stale' && this.#state.reason === reason))
      this.#set({ kind: 'stale', url, reason });
    if (!this.#isPinging && now - this.#pingedAt > this.#heartbeatMs / PINGS_PER_HEARTBEAT) this.#ping(now);
  }

  #ping(now: number): void {
    this.#pingedAt = now;
    this.#isPinging = true;
    this.send({ op: 'ping' });
  }

  #lost(code: number, said: string): void {
    const reason = said || `closed with ${code}`;
    const isRenewable = code === TOKEN_EXPIRED && typeof this.#options.token === 'function';
    if (!isRenewable && isFinal(code)) {
      this.#fail(new CandlecastError(`closed_${code}`, reason));
      return;
    }
    this.#refreshToken = this.#refreshToken || isRenewable;
    if (this.#readyAt !== null && performance.now() - this.#readyAt > GOOD_MS) this.#attempt = 0;
    this.#down(false);
    this.#at = (this.#at + 1) % this.#urls.length;
    const retryInMs = backoffMs(this.#attempt++, this.#options.reconnect);
    this.#retry = setTimeout(() => void this.#connect(), retryInMs);
    this.#set({ kind: 'waiting', retryInMs, reason });
  }

  #fail(error: Error): void {
    this.#down(false);
    this.#set({ kind: 'failed', error });
    this.#events.onFailed(error);
  }

  #down(politely: boolean): void {
    this.#run++;
    clearTimeout(this.#retry);
    clearTimeout(this.#deadline);
    clearInterval(this.#looking);
    this.#auth?.end();
    this.#auth = null;
    const wasReady = this.isReady;
    this.#readyAt = null;
    this.#sourceStale = false;
    this.roundTripMs = null;
    if (this.#socket !== null) abandon(this.#socket, politely);
    this.#socket = null;
    if (wasReady) this.#events.onDown();
  }

  #set(state: ConnectionState): void {
    this.#state = state;
    this.#events.onState(state);
  }
}

function parse(data: unknown): ServerMessage | null {
  try {
    return JSON.parse(data as string) as ServerMessage;
  } catch {
    return null;
  }
}

/** Closes after which the same would happen again. */
function isFinal(code: number): boolean {
  return code === 1008 || code === 1009 || (code >= 4100 && code <= 4199);
}

function wallClockMs(): number {
  return performance.timeOrigin + performance.now();
}
