import type { ServerMessage } from '../wire/messages.js';
import { backoffMs } from './backoff.js';

/** Silence after which the link counts as stale, and after which it is given up; in heartbeats. */
const STALE_HEARTBEATS = 1.5;
const DEAD_HEARTBEATS = 2.5;
const DEFAULT_HEARTBEAT_MS = 10_000;
const OPEN_TIMEOUT_MS = 10_000;
const WATCH_MS = 500;
const PING_MS = 5_000;

export type Link =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  | { readonly kind: 'stale' }
  | { readonly kind: 'waiting'; readonly retryAt: number; readonly reason: string }
  | { readonly kind: 'failed'; readonly code: number; readonly reason: string };

export interface ConnectionEvents {
  onLink(link: Link): void;
  /** The socket is open: everything wanted is to be subscribed (again). */
  onOpen(): void;
  onMessage(message: ServerMessage): void;
}

/** One WebSocket that comes back by itself, and knows when it has died without a word. */
export class Connection {
  readonly #url: string;
  readonly #events: ConnectionEvents;
  #socket: WebSocket | null = null;
  #link: Link = { kind: 'connecting' };
  #attempt = 0;
  #heartbeatMs = DEFAULT_HEARTBEAT_MS;
  #heardAt = 0;
  #pingedAt = 0;
  #pingSentAt: number | null = null;
  #retry: ReturnType<typeof setTimeout> | undefined;
  /** Last measured round trip, ms; null until known. */
  roundTripMs: number | null = null;
  /** What to add to this machine's clock to get the server's, ms. */
  clockOffsetMs = 0;

  constructor(url: string, events: ConnectionEvents) {
    this.#url = url;
    this.#events = events;
    setInterval(() => this.#watch(), WATCH_MS);
    window.addEventListener('online', () => this.retryNow());
    document.addEventListener('visibilitychange', () => this.#watch());
  }

  get link(): Link {
    return this.#link;
  }

  start(): void {
    this.#connect();
  }

  send(message: object): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** Connects at once where it waits or has given up. */
  retryNow(): void {
    if (this.#link.kind === 'waiting' || this.#link.kind === 'failed') this.#connect();
  }

  #connect(): void {
    clearTimeout(this.#retry);
    this.#heardAt = performance.now();
    this.#setLink({ kind: 'connecting' });
    const socket = new WebSocket(this.#url, ['candlecast.v1.json']);
    this.#socket = socket;
    socket.onopen = () => this.#opened(socket);
    socket.onmessage = (event) => this.#received(socket, event.data);
    socket.onclose = (event) => this.#closed(socket, event.code, event.reason);
  }

  #opened(socket: WebSocket): void {
    if (socket !== this.#socket) return;
    this.#heardAt = performance.now();
    this.#pingedAt = Number.NEGATIVE_INFINITY;
    this.#pingSentAt = null;
    this.#events.onOpen();
  }

  #received(socket: WebSocket, data: unknown): void {
    if (socket !== this.#socket || typeof data !== 'string') return;
    this.#heardAt = performance.now();
    this.#attempt = 0;
    const message = JSON.parse(data) as ServerMessage;
    if (message.type === 'welcome') this.#welcomed(message.heartbeatMs, message.time);
    if (message.type === 'pong') this.#ponged(message.time);
    if (this.#link.kind !== 'live') this.#setLink({ kind: 'live' });
    this.#events.onMessage(message);
  }

  #welcomed(heartbeatMs: number, time: number): void {
    this.#heartbeatMs = heartbeatMs;
    this.clockOffsetMs = time - Date.now();
  }

  #ponged(time: number): void {
    if (this.#pingSentAt === null) return;
    this.roundTripMs = performance.now() - this.#pingSentAt;
    this.clockOffsetMs = time + this.roundTripMs / 2 - Date.now();
    this.#pingSentAt = null;
  }

  #closed(socket: WebSocket, code: number, reason: string): void {
    if (socket !== this.#socket) return;
    this.#socket = null;
    this.roundTripMs = null;
    if (code === 1008 || (code >= 4100 && code <= 4199)) {
      this.#setLink({ kind: 'failed', code, reason: reason === '' ? 'the server refuses this page' : reason });
      return;
    }
    const delayMs = backoffMs(this.#attempt++);
    this.#retry = setTimeout(() => this.#connect(), delayMs);
    this.#setLink({ kind: 'waiting', retryAt: Date.now() + delayMs, reason });
  }

  /** A half-open socket says nothing: only what arrives proves that the server is there. */
  #watch(): void {
    const socket = this.#socket;
    if (socket === null) return;
    const now = performance.now();
    const silentMs = now - this.#heardAt;
    const open = socket.readyState === WebSocket.OPEN;
    if (silentMs > (open ? this.#heartbeatMs * DEAD_HEARTBEATS : OPEN_TIMEOUT_MS)) {
      this.#abandon(socket);
    } else if (open) {
      if (silentMs > this.#heartbeatMs * STALE_HEARTBEATS && this.#link.kind === 'live')
        this.#setLink({ kind: 'stale' });
      if (now - this.#pingedAt > PING_MS && !document.hidden) this.#ping(now);
    }
  }

  #ping(now: number): void {
    this.#pingedAt = now;
    this.#pingSentAt = now;
    this.send({ op: 'ping' });
  }

  /** `close()` on a dead socket takes minutes to report: it is forgotten instead. */
  #abandon(socket: WebSocket): void {
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
    this.#closed(socket, 1006, 'no sign of life from the server');
  }

  #setLink(link: Link): void {
    this.#link = link;
    this.#events.onLink(link);
  }
}
