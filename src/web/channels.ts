import type { SymbolStatus } from '../market/event.js';
import type { Position } from '../market/position.js';
import type { ErrorCode } from '../wire/codes.js';
import type { ServerMessage, WireCandle, WireGap } from '../wire/messages.js';
import { backoffMs } from './backoff.js';

type ErrorMessage = Extract<ServerMessage, { type: 'error' }>;
type LiveMessage = Extract<ServerMessage, { type: 'candle' | 'gap' | 'heartbeat' | 'resync' | 'status' }>;

/** What a channel tells its one listener. Every member may be left out. */
export interface Listener {
  /** `fresh`: replaces all that is shown; else the candles are what was missed, to be merged. */
  onCandles?(candles: readonly WireCandle[], gaps: readonly WireGap[], fresh: boolean): void;
  onCandle?(candle: WireCandle): void;
  onGap?(gap: WireGap): void;
  onStatus?(symbols: readonly SymbolStatus[]): void;
  /** `retrying`: it is asked for again by itself. */
  onError?(code: ErrorCode, message: string, retrying: boolean): void;
}

interface Entry {
  readonly listener: Listener;
  readonly snapshot: number;
  /** Null until a snapshot has set it. */
  position: Position | null;
  /** The subscribe under way; null while live. */
  pending: number | null;
  failures: number;
  retry: ReturnType<typeof setTimeout> | undefined;
}

const TEMPORARY: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['history_unavailable', 'internal', 'rate_limited']);
const RETRY_FLOOR_MS = 1_000;
/** Keeps a message well below the server's limit of bytes a frame. */
const CHANNELS_PER_MESSAGE = 16;

/** The channels this page wants, whatever the connection does: snapshot, then live, resumed by position after any hole. */
export class Channels {
  readonly #send: (message: object) => void;
  readonly #entries = new Map<string, Entry>();
  readonly #toDrop = new Set<string>();
  readonly #toAsk = new Set<string>();
  #flushing = false;
  #lastId = 0;

  constructor(send: (message: object) => void) {
    this.#send = send;
  }

  subscribe(channel: string, snapshot: number, listener: Listener): void {
    this.unsubscribe(channel);
    const entry: Entry = { listener, snapshot, position: null, pending: null, failures: 0, retry: undefined };
    this.#entries.set(channel, entry);
    this.#ask(channel);
  }

  unsubscribe(channel: string): void {
    const entry = this.#entries.get(channel);
    if (entry === undefined) return;
    clearTimeout(entry.retry);
    this.#entries.delete(channel);
    this.#toAsk.delete(channel);
    this.#drop(channel);
  }

  /** A new connection knows nothing: everything is asked for again, from where it stood. */
  reopen(): void {
    this.#toDrop.clear();
    for (const channel of this.#entries.keys()) this.#ask(channel);
  }

  /** Asks again for what failed. */
  retry(channel: string): void {
    if (this.#entries.has(channel)) this.#ask(channel);
  }

  receive(message: ServerMessage): void {
    if (message.type === 'error' && message.channel === undefined) this.#allFailed(message);
    if (!('channel' in message) || message.channel === undefined) return;
    const entry = this.#entries.get(message.channel);
    if (entry === undefined) return;
    if (message.type === 'error') this.#failed(message.channel, entry, message);
    else if (message.type === 'subscribed') this.#subscribed(entry, message);
    else if (isLive(message) && entry.pending === null) this.#live(message.channel, entry, message);
  }

  #ask(channel: string): void {
    clearTimeout(this.#entries.get(channel)?.retry);
    this.#toAsk.add(channel);
    this.#flushSoon();
  }

  #drop(channel: string): void {
    this.#toDrop.add(channel);
    this.#flushSoon();
  }

  /** What one turn of the page changes goes out in few messages. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    for (const channels of chunks(this.#toDrop)) this.#send({ op: 'unsubscribe', channels });
    for (const names of chunks(this.#toAsk)) {
      const id = ++this.#lastId;
      this.#send({ op: 'subscribe', id, channels: names.map((name) => this.#item(name, id)) });
    }
    this.#toDrop.clear();
    this.#toAsk.clear();
  }

  #item(channel: string, id: number): string | object {
    const entry = this.#entries.get(channel);
    if (entry === undefined) return channel;
    entry.pending = id;
    const { snapshot, position } = entry;
    if (channel === 'status') return channel;
    return position === null ? { channel, snapshot, atOnce: true } : { channel, snapshot, atOnce: true, position };
  }

  #subscribed(entry: Entry, message: Extract<ServerMessage, { type: 'subscribed' }>): void {
    if (message.id !== entry.pending) return;
    entry.pending = null;
    entry.failures = 0;
    entry.position = { epoch: message.epoch, seq: message.seq };
    entry.listener.onCandles?.(message.candles, message.gaps, message.recovered !== true);
  }

  #live(channel: string, entry: Entry, message: LiveMessage): void {
    const position = { epoch: message.epoch, seq: message.seq };
    if (message.type === 'resync') {
      entry.position = position;
      entry.listener.onCandles?.(message.candles, message.gaps, !message.recovered);
    } else if (message.type === 'status') {
      entry.position = position;
      entry.listener.onStatus?.(message.symbols);
    } else if (this.#isHole(entry, message)) {
      this.#resume(channel, entry);
    } else if (message.type !== 'heartbeat' && !isKnown(entry, message)) {
      entry.position = position;
      if (message.type === 'gap')
        entry.listener.onGap?.({ from: message.from, to: message.to, reason: message.reason });
      else entry.listener.onCandle?.(message.candle);
    }
  }

  /** A durable message names the one before it; any other one carries the position that should be ours already. */
  #isHole(entry: Entry, message: Extract<ServerMessage, { type: 'candle' | 'gap' | 'heartbeat' }>): boolean {
    const known = entry.position?.seq ?? message.seq;
    const before = message.type !== 'heartbeat' && message.prev !== undefined ? message.prev : message.seq;
    return before > known;
  }

  #resume(channel: string, entry: Entry): void {
    // Until the answer comes, what still arrives on the channel is behind the hole.
    entry.pending = 0;
    this.#drop(channel);
    this.#ask(channel);
  }

  #allFailed(error: ErrorMessage): void {
    if (error.id === undefined) return;
    for (const [channel, entry] of this.#entries) if (entry.pending === error.id) this.#failed(channel, entry, error);
  }

  #failed(channel: string, entry: Entry, error: ErrorMessage): void {
    if (error.id === undefined || error.id !== entry.pending) return;
    if (error.code === 'already_subscribed') {
      this.#resume(channel, entry);
      return;
    }
    const retrying = TEMPORARY.has(error.code);
    if (retrying) entry.retry = setTimeout(() => this.#ask(channel), RETRY_FLOOR_MS + backoffMs(entry.failures++));
    entry.listener.onError?.(error.code, error.message, retrying);
  }
}

const LIVE: ReadonlySet<string> = new Set<LiveMessage['type']>(['candle', 'gap', 'heartbeat', 'resync', 'status']);

function isLive(message: ServerMessage): message is LiveMessage {
  return LIVE.has(message.type);
}

/** A durable message that the snapshot held already. */
function isKnown(entry: Entry, message: Extract<ServerMessage, { type: 'candle' | 'gap' }>): boolean {
  return message.prev !== undefined && entry.position !== null && message.seq <= entry.position.seq;
}

function chunks(names: ReadonlySet<string>): string[][] {
  const all = [...names];
  const parts: string[][] = [];
  for (let i = 0; i < all.length; i += CHANNELS_PER_MESSAGE) parts.push(all.slice(i, i + CHANNELS_PER_MESSAGE));
  return parts;
}
