import { expect } from 'vitest';
import { bucketEnd, type Interval, MINUTE_MS } from '../../src/market/interval.js';
import { seqMinute } from '../../src/market/position.js';
import { type ServerMessage, toWireCandle, type WireCandle } from '../../src/wire/messages.js';
import type { TestMarket } from './market.js';

/**
 * Reads the messages of one channel as a strict client does: nothing missing, doubled or out of order, or it throws.
 * What it holds in the end is compared with the market's truth.
 */
export class Follower {
  readonly closed = new Map<number, WireCandle>();
  readonly gaps: number[] = [];
  open: WireCandle | null = null;
  seq = -1;
  epoch = -1;
  started = false;
  resyncs = 0;
  #from = Number.POSITIVE_INFINITY;
  #startSeq = 0;

  constructor(readonly channel: string) {}

  read(messages: readonly ServerMessage[]): this {
    for (const message of messages) if ('channel' in message && message.channel === this.channel) this.#take(message);
    return this;
  }

  /** Everything from its first candle on is what the market says, and it stands where the market stands. */
  expectTruth(market: TestMarket, interval: Interval): void {
    // Older ones than the snapshot are held where they were corrected since.
    const closedBefore = seqMinute(this.#startSeq) + MINUTE_MS;
    const isDue = (t: number): boolean => t >= this.#from || bucketEnd(interval, t) > closedBefore;
    const truth = market.candles(interval).filter((c) => isDue(c.openTime) || this.closed.has(c.openTime));
    const held = [...this.closed.values()].sort((a, b) => a.t - b.t);
    expect(held).toEqual(truth.map(toWireCandle));
    same(this.seq, market.lastDurable[interval]);
    const due = market.gaps.filter((gap) => gap.seq > this.#startSeq && gap.seq <= this.seq);
    expect(this.gaps).toEqual(expect.arrayContaining(due.map((gap) => gap.from)));
  }

  #take(message: ServerMessage): void {
    if ('epoch' in message) {
      if (message.epoch < this.epoch) expect(message.epoch).toBeGreaterThanOrEqual(this.epoch);
      this.epoch = message.epoch;
    }
    if (message.type === 'subscribed') this.#start(message);
    else if (message.type === 'resync') this.#resync(message);
    else if (message.type === 'gap') {
      this.#advance(message);
      this.gaps.push(message.from);
    } else if (message.type === 'candle') this.#candle(message);
    else if (message.type === 'heartbeat') same(message.seq, this.seq);
  }

  #start(message: Extract<ServerMessage, { type: 'subscribed' }>): void {
    if (message.recovered !== true) {
      this.closed.clear();
      this.gaps.length = 0;
      this.#from = message.candles[0]?.t ?? Number.POSITIVE_INFINITY;
      this.#startSeq = message.seq;
    }
    this.started = true;
    this.#list(message.candles, message.gaps);
    this.seq = message.seq;
  }

  #resync(message: Extract<ServerMessage, { type: 'resync' }>): void {
    this.resyncs++;
    same(this.started, true);
    expect(message.seq).toBeGreaterThanOrEqual(this.seq);
    if (!message.recovered) this.closed.clear();
    this.#list(message.candles, message.gaps);
    this.seq = message.seq;
  }

  #list(candles: readonly WireCandle[], gaps: readonly { from: number }[]): void {
    this.open = null;
    let last = Number.NEGATIVE_INFINITY;
    for (const candle of candles) {
      above(candle.t, last);
      last = candle.t;
      if (candle.x) this.#close(candle);
      else this.open = candle;
    }
    for (const gap of gaps) {
      expect(this.gaps).not.toContain(gap.from);
      this.gaps.push(gap.from);
    }
  }

  #candle(message: Extract<ServerMessage, { type: 'candle' }>): void {
    if (message.prev !== undefined) {
      this.#advance({ seq: message.seq, prev: message.prev });
      same(message.candle.x, true);
      this.#close(message.candle);
      return;
    }
    same(message.seq, this.seq);
    same(message.candle.x, false);
    same(this.closed.has(message.candle.t), false);
    this.open = message.candle;
  }

  #advance({ seq, prev }: { seq: number; prev: number }): void {
    same(this.started, true);
    same(prev, this.seq);
    above(seq, this.seq);
    this.seq = seq;
  }

  /** A candle comes once, again only with a higher revision. */
  #close(candle: WireCandle): void {
    const held = this.closed.get(candle.t);
    if (held) above(candle.r, held.r);
    this.closed.set(candle.t, candle);
  }
}

/** `expect` alone would take most of the time of a test with tens of thousands of messages. */
function same(found: unknown, due: unknown): void {
  if (found !== due) expect(found).toBe(due);
}

function above(found: number, bound: number): void {
  if (!(found > bound)) expect(found).toBeGreaterThan(bound);
}
