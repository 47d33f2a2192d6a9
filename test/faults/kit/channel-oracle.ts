import { bucketEnd, bucketStart, type Interval, isInterval, MINUTE_MS } from '../../../src/market/interval.js';
import { type Position, seqMinute } from '../../../src/market/position.js';
import type { ServerMessage, WireCandle, WireGap } from '../../../src/wire/messages.js';
import type { Truth } from './truth.js';

type Message<T extends ServerMessage['type']> = Extract<ServerMessage, { type: T }>;
type Recovery = Message<'subscribed'> | Message<'resync'>;

/** One thing that arrived, as far as times and positions are concerned. */
export interface Arrival {
  readonly kind: 'closed' | 'update' | 'gap' | 'subscribed' | 'resync' | 'heartbeat' | 'stale';
  readonly epoch: number;
  readonly seq: number;
  /** Of the candle; null where there is none. */
  readonly t: number | null;
  /** performance.now() */
  readonly atMs: number;
}

/** Enough to explain a fault by. */
const FAULTS_KEPT = 20;

/**
 * Reads everything that comes on one candle channel and knows what must come: every closed candle once, in order, equal
 * to the truth; holes announced first; positions without a jump; nothing of an older epoch.
 */
export class ChannelOracle {
  readonly symbol: string;
  readonly interval: Interval;
  position: Position | null = null;
  /** Subscribed on the connection that stands. */
  live = false;
  stale = false;
  closed = 0;
  resyncs = 0;
  readonly gaps: WireGap[] = [];
  /** Everything that came, where it is kept. */
  readonly arrivals: Arrival[] = [];
  /** Open time of the candle that closes next. */
  #next: number | null = null;
  #asked = false;

  constructor(
    readonly channel: string,
    private readonly truth: Truth,
    private readonly keeps: boolean,
    /** May be shared by the channels of a client. */
    readonly faults: string[] = [],
  ) {
    const [, symbol = '', interval = ''] = channel.split(':');
    if (!isInterval(interval)) throw new RangeError(`no candle channel: ${channel}`);
    this.symbol = symbol;
    this.interval = interval;
  }

  /** Every candle before this open time has closed, epoch ms; null before the first answer. */
  get closedUntil(): number | null {
    return this.#next;
  }

  /** What to subscribe with. */
  request(): string | { readonly channel: string; readonly position: Position } {
    this.live = false;
    this.#asked = this.position !== null;
    return this.position === null ? this.channel : { channel: this.channel, position: this.position };
  }

  disconnected(): void {
    this.live = false;
  }

  take(message: ServerMessage, atMs: number): void {
    if (message.type === 'subscribed' || message.type === 'resync') this.#recover(message, atMs);
    else if (message.type === 'candle') this.#candle(message, atMs);
    else if (message.type === 'gap') this.#gap(message, atMs);
    else if (message.type === 'heartbeat') this.#heartbeat(message, atMs);
  }

  #recover(message: Recovery, atMs: number): void {
    const fresh = message.type === 'subscribed' && !this.#asked;
    if (message.type === 'resync') this.resyncs++;
    if (message.type === 'resync' && !this.live) this.#fault('resync before subscribed');
    if (!fresh && message.recovered !== true) this.#fault(`${message.type} not recovered`);
    this.#checkEpoch(message);
    this.live = true;
    this.stale = false;
    const due = this.#due(message.seq);
    if (fresh || message.recovered !== true) {
      this.#next = message.candles.find(({ x }) => x)?.t ?? due;
    } else if (this.position !== null && message.seq < this.position.seq) {
      this.#fault(`${message.type} at ${message.seq}, we are at ${this.position.seq}`);
    }
    for (const gap of message.gaps) this.gaps.push(gap);
    for (const candle of message.candles) this.#listed(candle);
    this.position = { epoch: message.epoch, seq: message.seq };
    if (this.#next !== due && !this.#excused(this.#next, due)) {
      this.#fault(`partial ${message.type}: it ends before ${this.#next}, its seq means ${due}`);
    }
    this.#keep(message.type, message, null, atMs);
  }

  #listed(candle: WireCandle): void {
    if (candle.x) this.#close(candle);
    else this.#open(candle);
  }

  #candle(message: Message<'candle'>, atMs: number): void {
    if (!this.live) {
      this.#fault(`candle ${message.candle.t} before subscribed`);
      return;
    }
    this.#checkEpoch(message);
    if (message.prev === undefined) {
      if (message.seq !== this.position?.seq) this.#fault(`update at ${message.seq}, we are at ${this.position?.seq}`);
      this.#open(message.candle);
    } else {
      this.#advance(message.prev, message);
      if (message.candle.r === 0 && this.#due(message.seq) !== bucketEnd(this.interval, message.candle.t)) {
        this.#fault(`seq ${message.seq} does not belong to the candle ${message.candle.t}`);
      }
      this.#close(message.candle);
    }
    this.position = { epoch: message.epoch, seq: message.seq };
    this.#keep(message.prev === undefined ? 'update' : 'closed', message, message.candle.t, atMs);
  }

  #gap(message: Message<'gap'>, atMs: number): void {
    this.#checkEpoch(message);
    this.#advance(message.prev, message);
    this.gaps.push({ from: message.from, to: message.to, reason: message.reason });
    this.position = { epoch: message.epoch, seq: message.seq };
    this.#keep('gap', message, null, atMs);
  }

  #heartbeat(message: Message<'heartbeat'>, atMs: number): void {
    if (!this.live) return;
    this.stale = 'stale' in message && message.stale === true;
    if (message.seq !== this.position?.seq) {
      this.#fault(`heartbeat at ${message.seq}, we are at ${this.position?.seq}`);
    }
    this.#keep(this.stale ? 'stale' : 'heartbeat', message, null, atMs);
  }

  #checkEpoch({ epoch }: Position): void {
    if (this.position !== null && epoch < this.position.epoch) {
      this.#fault(`a message of epoch ${epoch} after ${this.position.epoch}`);
    }
  }

  #advance(prev: number, { seq }: Position): void {
    this.stale = false;
    if (prev !== this.position?.seq) this.#fault(`prev ${prev} after ${this.position?.seq}`);
    if (seq <= prev) this.#fault(`seq ${seq} after ${prev}`);
  }

  #close(candle: WireCandle): void {
    this.closed++;
    if (candle.r !== 0) this.#fault(`revision ${candle.r} of ${candle.t}`);
    if (this.#next !== null && candle.t < this.#next) this.#fault(`${candle.t} came again, ${this.#next} is next`);
    if (this.#next !== null && candle.t > this.#next && !this.#excused(this.#next, candle.t)) {
      this.#fault(`${candle.t} came, ${this.#next} is missing`);
    }
    const wrong = this.truth.checkClosed(this.interval, candle);
    if (wrong !== null) this.#fault(`closed ${candle.t}: ${wrong}`);
    if (this.#next === null || candle.t >= this.#next) this.#next = bucketEnd(this.interval, candle.t);
  }

  #open(candle: WireCandle): void {
    if (candle.x) this.#fault(`closed candle ${candle.t} without prev`);
    if (this.#next !== null && candle.t < this.#next) this.#fault(`update of ${candle.t}, which has closed`);
    if (this.#next !== null && candle.t > this.#next && !this.#excused(this.#next, candle.t)) {
      this.#fault(`update of ${candle.t} before ${this.#next} closed`);
    }
    const wrong = this.interval === '1m' ? this.truth.checkOpenMinute(candle) : null;
    if (wrong !== null) this.#fault(`open ${candle.t}: ${wrong}`);
  }

  /** Open time of the first candle that has not closed at `seq`. */
  #due(seq: number): number {
    return bucketStart(this.interval, seq === 0 ? this.truth.firstMinute : seqMinute(seq) + MINUTE_MS);
  }

  /** A hole is all right where gaps cover it. */
  #excused(from: number | null, to: number): boolean {
    let reached = from ?? to;
    for (const gap of [...this.gaps].sort((a, b) => a.from - b.from)) {
      if (gap.from <= reached && gap.to > reached) reached = gap.to;
    }
    return reached >= to;
  }

  #keep(kind: Arrival['kind'], { epoch, seq }: Position, t: number | null, atMs: number): void {
    if (this.keeps) this.arrivals.push({ kind, epoch, seq, t, atMs });
  }

  #fault(text: string): void {
    if (this.faults.length < FAULTS_KEPT) this.faults.push(`${this.channel}: ${text}`);
  }
}
