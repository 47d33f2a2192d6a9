import { type History, HistoryUnavailable } from '../../src/gateway/history.js';
import type { ReplaySource } from '../../src/gateway/replay/source.js';
import type { Candle, Gap } from '../../src/market/candle.js';
import type { HotWindow, MarketEvent } from '../../src/market/event.js';
import { bucketEnd, bucketStart, type Interval, MINUTE_MS } from '../../src/market/interval.js';
import { nextSeq } from '../../src/market/position.js';

export const T0 = Date.UTC(2026, 0, 5);

/**
 * A producer that knows the truth: one symbol, minutes that close one after the other, late corrections, gaps; at 1m and 5m.
 * `windowOf` answers with what has been published, `history` with what has been stored (`stored` seq; by default all).
 */
export class TestMarket {
  readonly minutes = new Map<number, Candle>();
  readonly gaps: Gap[] = [];
  readonly lastDurable: Record<string, number> = { '1m': 0, '5m': 0 };
  /** Open time of the minute that is open. */
  now = T0;
  seq = 0;
  epoch = 7;
  firstEpoch = 5;
  windowCandles = 128;
  storedSeq: number | null = null;
  historyDown = false;
  reads = 0;
  #openTrades = 0;

  constructor(
    readonly symbol: string,
    readonly delay: () => Promise<void> = async () => {},
  ) {}

  /** Closes the open minute. @returns the events, 1m first. */
  close(): MarketEvent[] {
    const openTime = this.now;
    this.now += MINUTE_MS;
    this.#takeSeq();
    this.minutes.set(openTime, this.#minute(openTime, 0, this.seq));
    this.#openTrades = 0;
    const events = [this.#closed('1m', openTime)];
    const bucket = bucketStart('5m', openTime);
    if (this.now === bucketEnd('5m', bucket)) events.push(this.#closed('5m', bucket));
    return events;
  }

  closeMany(count: number): void {
    for (let i = 0; i < count; i++) this.close();
  }

  /** A late trade: the minute `back` minutes before the newest closed one changes. */
  correct(back: number): MarketEvent[] {
    const openTime = this.now - (back + 1) * MINUTE_MS;
    const old = this.minutes.get(openTime);
    if (!old) return [];
    this.seq = this.seq + 1;
    this.minutes.set(openTime, this.#minute(openTime, old.revision + 1, this.seq));
    const events = [this.#closed('1m', openTime)];
    const bucket = bucketStart('5m', openTime);
    if (bucketEnd('5m', bucket) <= this.now) events.push(this.#closed('5m', bucket));
    return events;
  }

  /** The feed is away for `count` minutes, starting with the open one: a 5m bucket that ends meanwhile closes first. */
  gap(count: number): MarketEvent[] {
    const from = this.now;
    this.now += count * MINUTE_MS;
    this.#openTrades = 0;
    const bucket = bucketStart('5m', from);
    const isCut = bucketEnd('5m', bucket) <= this.now && this.#minutesOf('5m', bucket).length > 0;
    const events = isCut ? [this.#closed('5m', bucket)] : [];
    this.#takeSeq();
    const gap: Gap = { symbol: this.symbol, from, to: this.now, reason: 'disconnected', seq: this.seq };
    this.gaps.push(gap);
    for (const interval of ['1m', '5m'] as const) {
      const prev = this.lastDurable[interval] ?? 0;
      this.lastDurable[interval] = this.seq;
      events.push({ kind: 'gap', symbol: this.symbol, interval, epoch: this.epoch, seq: this.seq, prev, gap });
    }
    return events;
  }

  /** Another writer takes over. */
  takeOver(): void {
    this.epoch++;
  }

  /** A trade in the open minute. */
  update(interval: Interval = '1m'): MarketEvent[] {
    this.#openTrades++;
    const candle = this.open(interval);
    const seq = this.lastDurable[interval] ?? 0;
    return [{ kind: 'update', symbol: this.symbol, interval, epoch: this.epoch, seq, candle }];
  }

  open(interval: Interval): Candle {
    const openTime = bucketStart(interval, this.now);
    const base = this.#minute(this.now, 0, 0);
    return { ...base, interval, openTime, trades: this.#openTrades, closed: false };
  }

  /** Every closed candle there is, ascending. */
  candles(interval: Interval): Candle[] {
    const buckets = new Map<number, Candle[]>();
    for (const minute of [...this.minutes.values()].sort((a, b) => a.openTime - b.openTime)) {
      const openTime = bucketStart(interval, minute.openTime);
      if (bucketEnd(interval, openTime) > this.now) continue;
      const list = buckets.get(openTime);
      if (list) list.push(minute);
      else buckets.set(openTime, [minute]);
    }
    return [...buckets].map(([openTime, minutes]) => fold(interval, openTime, minutes));
  }

  async windowOf(symbol: string, interval: Interval): Promise<HotWindow | null> {
    await this.delay();
    if (symbol !== this.symbol) return null;
    const closed = this.windowCandles === 0 ? [] : this.candles(interval).slice(-this.windowCandles);
    const from = closed[0]?.openTime ?? 0;
    const window: HotWindow = {
      epoch: this.epoch,
      seq: this.lastDurable[interval] ?? 0,
      closed,
      open: this.#openTrades > 0 ? this.open(interval) : null,
      gaps: this.gaps.filter((gap) => gap.to > from),
    };
    await this.delay();
    return window;
  }

  readonly history: History = {
    before: async (_symbol, interval, beforeMs, limit) => {
      await this.#read();
      return this.#stored(interval)
        .filter((candle) => candle.openTime < beforeMs)
        .slice(-limit);
    },
    since: async (_symbol, interval, seq, beforeMs) => {
      await this.#read();
      return this.#stored(interval).filter((candle) => candle.seq > seq && candle.openTime < beforeMs);
    },
    gapsSince: async (_symbol, seq) => {
      await this.#read();
      return this.gaps.filter((gap) => gap.seq > seq && gap.seq <= (this.storedSeq ?? this.seq));
    },
    gaps: async (_symbol, fromMs, toMs) => {
      await this.#read();
      const stored = this.gaps.filter((gap) => gap.seq <= (this.storedSeq ?? this.seq));
      return stored.filter((gap) => gap.to > fromMs && gap.from < toMs);
    },
    firstEpoch: async () => {
      await this.#read();
      return this.firstEpoch;
    },
  };

  readonly replays: ReplaySource = {
    extent: async (_symbol, beforeMs) => {
      const last = [...this.minutes.keys()].filter((openTime) => openTime < beforeMs).at(-1) ?? null;
      return { start: T0, end: this.now, last, epoch: this.epoch };
    },
    bars: async (_symbol, interval, fromMs, toMs, limit) => {
      const inRange = this.candles(interval).filter(({ openTime }) => openTime >= fromMs && openTime < toMs);
      return inRange.slice(0, limit).map((candle) => ({ ...candle, epoch: this.epoch }));
    },
    gapsAfter: async (_symbol, afterMs) => this.gaps.filter((gap) => gap.to > afterMs),
    gaps: (symbol, fromMs, toMs) => this.history.gaps(symbol, fromMs, toMs),
    before: (symbol, interval, beforeMs, limit) => this.history.before(symbol, interval, beforeMs, limit),
  };

  async #read(): Promise<void> {
    this.reads++;
    await this.delay();
    if (this.historyDown) throw new HistoryUnavailable('down');
  }

  /** As the table has it: only rows up to `storedSeq`, so a bucket at the edge may be partial. */
  #stored(interval: Interval): Candle[] {
    return this.candles(interval).filter((candle) => candle.seq <= (this.storedSeq ?? this.seq));
  }

  #takeSeq(): number {
    this.seq = nextSeq(this.seq, this.now - MINUTE_MS);
    return this.seq;
  }

  #minutesOf(interval: Interval, openTime: number): Candle[] {
    const minutes: Candle[] = [];
    for (let t = openTime; t < bucketEnd(interval, openTime); t += MINUTE_MS) {
      const minute = this.minutes.get(t);
      if (minute) minutes.push(minute);
    }
    return minutes;
  }

  /** As the engine: a bucket that an outage cut short may be older than its channel and gets a place after what was sent. */
  #closed(interval: Interval, openTime: number): MarketEvent {
    const prev = this.lastDurable[interval] ?? 0;
    const candle = fold(interval, openTime, this.#minutesOf(interval, openTime));
    const seq = candle.seq > prev ? candle.seq : this.#takeSeq();
    this.lastDurable[interval] = seq;
    return { kind: 'closed', symbol: this.symbol, interval, epoch: this.epoch, seq, prev, candle };
  }

  #minute(openTime: number, revision: number, seq: number): Candle {
    const price = `${((openTime / MINUTE_MS) * 31 + revision * 7 + 100) % 997}.00000000`;
    return {
      symbol: this.symbol,
      interval: '1m',
      openTime,
      open: price,
      high: price,
      low: price,
      close: price,
      volume: '1.00000000',
      quoteVolume: '1.0000000000000000',
      takerBuyVolume: '0.00000000',
      takerBuyQuoteVolume: '0.0000000000000000',
      trades: 1 + revision,
      firstTradeId: 1,
      lastTradeId: 1,
      firstTradeTime: openTime,
      lastTradeTime: openTime,
      closed: true,
      revision,
      seq,
    };
  }
}

function fold(interval: Interval, openTime: number, minutes: readonly Candle[]): Candle {
  const [first, last] = [minutes[0], minutes.at(-1)];
  if (!first || !last) throw new Error('no minutes in the bucket');
  return {
    ...first,
    interval,
    openTime,
    close: last.close,
    trades: minutes.reduce((sum, m) => sum + m.trades, 0),
    revision: minutes.reduce((sum, m) => sum + m.revision, 0),
    seq: Math.max(...minutes.map((m) => m.seq)),
  };
}
