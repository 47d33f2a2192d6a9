import type { ErrorCode } from '../wire/codes.js';
import type { ServerMessage } from '../wire/messages.js';
import { backoffMs } from './backoff.js';
import { CandlecastError } from './errors.js';
import { batches, type Message, Outbox } from './outbox.js';

export type Subscribed = Extract<ServerMessage, { type: 'subscribed' }>;
export type Live = Extract<
  ServerMessage,
  { type: 'candle' | 'gap' | 'heartbeat' | 'resync' | 'status' | 'signal' | 'signals' }
>;
type ErrorMessage = Extract<ServerMessage, { type: 'error' }>;

/** What a channel of one kind does with what comes on it. */
export interface Channel {
  /** What to subscribe with now. */
  item(): Message;
  subscribed(message: Subscribed): void;
  live(message: Live): void;
  /** `isFinal`: it is not asked for again. */
  failed(error: CandlecastError): void;
  /** It has been served before: the server knows the symbol. */
  readonly isKnown: boolean;
}

/** One channel of the connection, as the channel sees it. */
export interface Slot {
  readonly isUp: boolean;
  /** Subscribes, anew where it is subscribed. */
  ask(): void;
  /** Unsubscribes, and keeps the place. */
  rest(): void;
  leave(): void;
}

interface Entry {
  readonly name: string;
  readonly channel: Channel;
  /** Id of the subscribe under way. */
  pending: number | null;
  /** The server has it, or will have when what was sent is done. */
  asked: boolean;
  wanted: boolean;
  failures: number;
  isStale: boolean;
  heardAt: number;
  retry: ReturnType<typeof setTimeout> | undefined;
}

const TEMPORARY: ReadonlySet<ErrorCode> = new Set(['history_unavailable', 'unavailable', 'internal', 'rate_limited']);
const RETRY_FLOOR_MS = 300;
/** The server answers within seconds, or says that it cannot. */
const ANSWER_TIMEOUT_MS = 30_000;
/** A channel without even heartbeats for so long, while the connection speaks, is asked for again. */
const SILENT_HEARTBEATS = 3;

/** The channels of one connection: asked for in few messages, asked for again where that fails for a while. */
export class Hub {
  readonly #outbox: Outbox;
  readonly #onStale: (isStale: boolean) => void;
  readonly #entries = new Map<string, Entry>();
  readonly #toDrop = new Set<string>();
  readonly #toAsk = new Set<Entry>();
  #stale = 0;
  #isUp = false;
  #isFlushing = false;
  #lastId = 0;

  constructor(send: (message: Message) => void, onStale: (isStale: boolean) => void) {
    this.#outbox = new Outbox(send);
    this.#onStale = onStale;
  }

  open(name: string, channel: Channel): Slot {
    const entry: Entry = {
      name,
      channel,
      pending: null,
      asked: false,
      wanted: true,
      failures: 0,
      isStale: false,
      heardAt: 0,
      retry: undefined,
    };
    this.#entries.set(name, entry);
    const isUp = (): boolean => this.#isUp;
    return {
      get isUp() {
        return isUp();
      },
      ask: () => this.#ask(entry),
      rest: () => this.#rest(entry),
      leave: () => {
        this.#rest(entry);
        if (this.#entries.get(name) === entry) this.#entries.delete(name);
      },
    };
  }

  /** Beside subscriptions. */
  send(message: Message): void {
    if (this.#isUp) this.#outbox.add(message);
  }

  up(): void {
    this.#isUp = true;
    for (const entry of this.#entries.values()) if (entry.wanted) this.#ask(entry);
  }

  down(): void {
    this.#isUp = false;
    this.#outbox.clear();
    this.#toAsk.clear();
    this.#toDrop.clear();
    this.#stale = 0;
    for (const entry of this.#entries.values()) {
      clearTimeout(entry.retry);
      entry.pending = null;
      entry.asked = false;
      entry.isStale = false;
    }
  }

  receive(message: ServerMessage): void {
    if (message.type === 'error' && message.channel === undefined) this.#allFailed(message);
    if (!('channel' in message) || message.channel === undefined) return;
    const entry = this.#entries.get(message.channel);
    if (entry === undefined) return;
    switch (message.type) {
      case 'subscribed':
        if (message.id === entry.pending) this.#subscribed(entry, message);
        break;
      case 'error':
        if (message.id === entry.pending) this.#failed(entry, message);
        break;
      case 'unsubscribed':
        if (message.reason !== undefined) this.#ended(entry, message.reason, message.message ?? '');
        break;
      case 'acked':
      case 'replay_end':
        break;
      default:
        if (entry.asked && entry.pending === null) this.#live(entry, message);
    }
  }

  /** A subscribe that was not answered, or a channel that has fallen silent. */
  look(heartbeatMs: number): void {
    const now = performance.now();
    for (const entry of this.#entries.values()) {
      if (!entry.asked) continue;
      const silentMs = now - entry.heardAt;
      if (silentMs > (entry.pending === null ? SILENT_HEARTBEATS * heartbeatMs : ANSWER_TIMEOUT_MS)) this.#ask(entry);
    }
  }

  #live(entry: Entry, message: Live): void {
    entry.heardAt = performance.now();
    const isStale = message.type === 'heartbeat' && message.stale === true;
    if (isStale !== entry.isStale) this.#setStale(entry, isStale);
    entry.channel.live(message);
  }

  #setStale(entry: Entry, isStale: boolean): void {
    if (entry.isStale === isStale) return;
    entry.isStale = isStale;
    this.#stale += isStale ? 1 : -1;
    this.#onStale(this.#stale > 0);
  }

  #subscribed(entry: Entry, message: Subscribed): void {
    entry.pending = null;
    entry.failures = 0;
    entry.heardAt = performance.now();
    entry.channel.subscribed(message);
  }

  #ask(entry: Entry): void {
    entry.wanted = true;
    clearTimeout(entry.retry);
    if (!this.#isUp) return;
    if (entry.asked) this.#toDrop.add(entry.name);
    entry.asked = true;
    // What still comes on the channel is not what is asked for.
    entry.pending = 0;
    entry.heardAt = performance.now();
    this.#toAsk.add(entry);
    this.#flushSoon();
  }

  #rest(entry: Entry): void {
    entry.wanted = false;
    clearTimeout(entry.retry);
    this.#setStale(entry, false);
    if (this.#toAsk.delete(entry) && !this.#toDrop.has(entry.name)) entry.asked = false;
    if (entry.asked) this.#toDrop.add(entry.name);
    entry.asked = false;
    entry.pending = null;
    this.#flushSoon();
  }

  /** What one turn changes goes out in few messages. */
  #flushSoon(): void {
    if (this.#isFlushing || !this.#isUp) return;
    this.#isFlushing = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#isFlushing = false;
    if (!this.#isUp) return;
    for (const channels of batches([...this.#toDrop])) this.#outbox.add({ op: 'unsubscribe', channels });
    this.#toDrop.clear();
    const entries = [...this.#toAsk];
    this.#toAsk.clear();
    let next = 0;
    for (const channels of batches(entries.map((entry) => ({ channel: entry.name, ...entry.channel.item() })))) {
      const id = ++this.#lastId;
      for (const _ of channels) (entries[next++] as Entry).pending = id;
      this.#outbox.add({ op: 'subscribe', id, channels });
    }
  }

  #allFailed(error: ErrorMessage): void {
    if (error.code === 'rate_limited') this.#outbox.slowDown();
    for (const entry of this.#entries.values()) {
      const isMeant = error.id === undefined ? error.code === 'rate_limited' : entry.pending === error.id;
      if (entry.pending !== null && isMeant) this.#failed(entry, error);
    }
  }

  #failed(entry: Entry, { code, message, plan, limit }: ErrorMessage): void {
    if (code === 'already_subscribed') this.#ask(entry);
    else this.#ended(entry, code, message, plan, limit);
  }

  /** The server has not got the channel (any more). */
  #ended(entry: Entry, code: ErrorCode, message: string, plan?: string, limit?: string): void {
    entry.pending = null;
    entry.asked = code === 'rate_limited';
    this.#setStale(entry, false);
    if (TEMPORARY.has(code) || (code === 'unknown_symbol' && entry.channel.isKnown)) {
      clearTimeout(entry.retry);
      entry.retry = setTimeout(() => this.#ask(entry), RETRY_FLOOR_MS + backoffMs(entry.failures++));
    } else {
      entry.wanted = false;
      entry.channel.failed(new CandlecastError(code, message, plan, limit));
    }
  }
}
