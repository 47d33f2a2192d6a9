import type { Candle } from '../../market/candle.js';
import type { MarketEvent } from '../../market/event.js';
import { DAY_MS, MINUTE_MS } from '../../market/interval.js';
import { type DayStats, RollingDay } from '../../market/rolling-day.js';
import { miniTickerEvent, tickerEvent } from '../../wire/binance/ticker.js';
import type { Recovery } from '../../wire/frames.js';
import { LIMITS } from '../../wire/messages.js';
import type { CandleChannel } from '../candle-channel.js';
import type { Follower } from '../channel-topics.js';
import type { Published } from '../published.js';
import { serve } from '../serve.js';
import { FormTopics, type MomentSource } from './form-topic.js';
import { Leased } from './leased.js';

const MINUTES = DAY_MS / MINUTE_MS;
const SNAPSHOT = { snapshot: LIMITS.snapshotCandles, atOnce: false, position: null, bound: null };

/** The last 24 hours of a symbol, which follow its one-minute candles. */
export class Day extends Leased implements MomentSource, Follower {
  readonly position = null;
  readonly topics: FormTopics;
  /** Something has changed since tickers were last told. */
  changed = true;
  readonly #rolling: RollingDay;
  readonly #loaded: Promise<void>;
  #stats: DayStats | null = null;
  #gone = false;

  constructor(readonly channel: CandleChannel) {
    super(channel.deps.clock);
    this.topics = new FormTopics(this, channel.deps.outlet);
    this.#rolling = new RollingDay(channel.symbol);
    channel.retain();
    this.#loaded = this.#load();
  }

  get stale(): boolean {
    return this.channel.stale;
  }

  /** Resolves when all of the 24 hours is there. Rejects as a channel does. */
  whenLive(): Promise<void> {
    return this.#loaded;
  }

  /** null: there is nothing of the symbol yet. */
  stats(): DayStats | null {
    this.#stats ??= this.#rolling.stats(this.clock.now());
    return this.#stats;
  }

  since(name: string): readonly string[] {
    const stats = this.stats();
    return stats === null ? [] : [this.data(name, stats)];
  }

  data(name: string, stats: DayStats): string {
    const now = this.clock.now();
    return name.endsWith('@ticker') ? tickerEvent(stats, now) : miniTickerEvent(stats, now);
  }

  event(_live: Published, event: MarketEvent): void {
    if (event.kind !== 'gap') this.#put([event.candle]);
  }

  resync(_live: Published, { candles, open }: Recovery): void {
    this.#put(open === null ? candles : [...candles, open]);
  }

  drop(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.channel.topics.unfollow(this);
    this.channel.release();
  }

  #put(candles: readonly Candle[]): void {
    for (const candle of candles) this.#rolling.put(candle);
    this.#stats = null;
    this.changed = true;
  }

  async #load(): Promise<void> {
    const { channel } = this;
    let first: Candle | undefined;
    await serve(channel, SNAPSHOT, (live, recovery) => {
      this.resync(live, recovery);
      first = recovery.candles.length < SNAPSHOT.snapshot ? undefined : recovery.candles[0];
      if (!this.#gone) channel.topics.follow(this);
    });
    if (first === undefined) return;
    const count = MINUTES - SNAPSHOT.snapshot + 1;
    // So far back the store is whole: what it may lack is what closed last.
    this.#put(await channel.deps.history.before(channel.symbol, '1m', first.openTime, count));
  }
}
