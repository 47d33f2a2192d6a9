import type { Candle } from '../../market/candle.js';
import type { MarketEvent } from '../../market/event.js';
import { bucketEnd, INTERVAL_MS } from '../../market/interval.js';
import { rollUp } from '../../market/rollup.js';
import { type Shifted, shiftedEnd, shiftedStart } from '../../market/shifted.js';
import { klineEvent } from '../../wire/binance/kline.js';
import type { Recovery } from '../../wire/frames.js';
import type { CandleChannel } from '../candle-channel.js';
import type { Follower } from '../channel-topics.js';
import type { Published } from '../published.js';
import { serve } from '../serve.js';
import { FormTopics, type MomentSource } from './form-topic.js';
import { Leased } from './leased.js';

/** Hours of a month, and a day that it may begin earlier. */
const CHILDREN = 780;

/** Klines whose buckets are those of another time zone, rolled up from shorter candles in UTC as these come. */
export class ShiftedKlines extends Leased implements MomentSource, Follower {
  readonly topics: FormTopics;
  readonly #loaded: Promise<void>;
  /** Closed children of the open bucket, ascending. */
  #children: Candle[] = [];
  #open: Candle | null = null;
  #start = Number.NaN;
  #gone = false;

  constructor(
    readonly name: string,
    readonly channel: CandleChannel,
    readonly shifted: Shifted,
  ) {
    super(channel.deps.clock);
    this.topics = new FormTopics(this, channel.deps.outlet);
    channel.retain();
    this.#loaded = this.#load();
  }

  get stale(): boolean {
    return this.channel.stale;
  }

  /** Resolves when all of the open bucket is there. Rejects as a channel does. */
  whenLive(): Promise<void> {
    return this.#loaded;
  }

  get position() {
    return this.channel.position;
  }

  /** The close of a bucket cannot be told any more once the next has begun: who missed it reads it as history. */
  since(_name: string, position: { readonly seq: number } | null): readonly string[] | null {
    const last = this.#children.at(-1);
    const missedClose = position !== null && this.#closedSince > position.seq;
    if (missedClose) return null;
    const open = this.#openKline(last);
    return open === null ? [] : [open];
  }

  #closedSince = 0;

  event(live: Published, event: MarketEvent): void {
    if (event.kind === 'gap') return;
    for (const data of this.#take(event.candle, live.seq)) this.topics.say(this.name, data, event.kind);
  }

  resync(live: Published, { candles, open }: Recovery): void {
    for (const candle of candles)
      for (const data of this.#take(candle, live.seq)) this.topics.say(this.name, data, 'resync');
    if (open !== null) for (const data of this.#take(open, live.seq)) this.topics.say(this.name, data, 'resync');
  }

  drop(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.channel.topics.unfollow(this);
    this.channel.release();
  }

  /** @returns the klines that it makes: one that changes, or one that closes. */
  #take(candle: Candle, seq: number): readonly string[] {
    const start = shiftedStart(this.shifted, candle.openTime);
    if (Number.isNaN(this.#start)) this.#begin(start, 0);
    if (start < this.#start) return [];
    const before = start > this.#start ? this.#cutShort(start) : [];
    if (!candle.closed) this.#open = candle;
    else this.#put(candle);
    const end = shiftedEnd(this.shifted, start);
    if (!candle.closed || bucketEnd(candle.interval, candle.openTime) < end) return [...before, ...this.#now(end)];
    const last = this.#data(this.#children, end, true);
    this.#begin(end, seq);
    return [...before, ...last];
  }

  /** A gap has hidden the end of the bucket before: it closes with what there is. */
  #cutShort(start: number): readonly string[] {
    const end = shiftedEnd(this.shifted, this.#start);
    const last = this.#data(this.#children, end, true);
    this.#begin(start, this.channel.position?.seq ?? 0);
    return last;
  }

  #begin(start: number, seq: number): void {
    this.#start = start;
    this.#children = [];
    this.#open = null;
    this.#closedSince = seq;
  }

  #put(candle: Candle): void {
    if (this.#open !== null && this.#open.openTime <= candle.openTime) this.#open = null;
    const at = this.#children.findIndex(({ openTime }) => openTime >= candle.openTime);
    if (at < 0) this.#children.push(candle);
    else this.#children.splice(at, this.#children[at]?.openTime === candle.openTime ? 1 : 0, candle);
  }

  #now(end: number): readonly string[] {
    return this.#data(this.#open === null ? this.#children : [...this.#children, this.#open], end, false);
  }

  #openKline(last: Candle | undefined): string | null {
    if (last === undefined && this.#open === null) return null;
    return this.#now(shiftedEnd(this.shifted, this.#start))[0] ?? null;
  }

  #data(candles: readonly Candle[], end: number, closed: boolean): readonly string[] {
    const kline = rollUp(candles, this.#start, end, closed);
    return kline === null ? [] : [klineEvent(kline, this.shifted.interval, this.clock.now())];
  }

  async #load(): Promise<void> {
    const length = INTERVAL_MS[this.shifted.interval];
    const child = INTERVAL_MS[this.channel.interval] ?? 1;
    const snapshot = length === null ? CHILDREN : Math.ceil(length / child) + 1;
    await serve(this.channel, { snapshot, atOnce: false, position: null, bound: null }, (live, { candles, open }) => {
      for (const candle of candles) this.#take(candle, live.seq);
      if (open !== null) this.#take(open, live.seq);
      if (!this.#gone) this.channel.topics.follow(this);
    });
  }
}
