import type { Candle, Gap } from '../market/candle.js';
import type { HotWindow } from '../market/event.js';
import { bucketEnd, type Interval } from '../market/interval.js';

/** Closed candles kept at hand of a symbol that has history but no feed. */
const STORED_WINDOW = 128;

export interface StoredCandles {
  before(symbol: string, interval: Interval, beforeMs: number, limit: number): Promise<readonly Candle[]>;
  range(symbol: string, interval: Interval, fromMs: number, toMs: number, limit: number): Promise<readonly Candle[]>;
  gaps(symbol: string, fromMs: number, toMs: number): Promise<readonly Gap[]>;
}

export interface MarketViewOptions {
  readonly history: StoredCandles;
  /** No smaller than that of any stored row. */
  storedEpoch(): Promise<number>;
  /** What is live: the published state, null for a symbol that no feed has. */
  live(symbol: string, interval: Interval): Promise<HotWindow | null>;
  /** Whether anything is stored for the symbol. */
  isStored(symbol: string): boolean;
  /** Whether candles that are durable already are still on their way into the store. */
  isStoreBehind(): boolean;
  /** Resolves when they have arrived, or after a moment. */
  storeCatchesUp(): Promise<void>;
}

export interface CandleRange {
  readonly from?: number;
  readonly to?: number;
  readonly limit: number;
}

interface Found {
  readonly candles: readonly Candle[];
  readonly known: boolean;
}

/** The database is behind what is in memory, and what lies between cannot be read now. */
export class HistoryBehindError extends Error {
  override readonly name: string = 'HistoryUnavailable';
  constructor(symbol: string) {
    super(`the database has not caught up with ${symbol} yet`);
  }
}

const END_OF_TIME_MS = Number.MAX_SAFE_INTEGER;

/** Where stored candles have to end. */
interface Seam {
  readonly symbol: string;
  readonly end: number;
  /** Candles in memory go on from there. */
  readonly met: boolean;
  /** As it was before the store was asked. */
  readonly behind: boolean;
}

/** Live and stored candles as one series: what is in memory wins, the store has the rest, and there is no hole between. */
export class MarketView {
  readonly #options: MarketViewOptions;

  constructor(options: MarketViewOptions) {
    this.#options = options;
  }

  /** The published state of a live symbol, or the latest of a stored one; null for neither. */
  async window(symbol: string, interval: Interval): Promise<HotWindow | null> {
    const live = await this.#options.live(symbol, interval);
    if (live !== null || !this.#options.isStored(symbol)) return live;
    const { history } = this.#options;
    const epoch = await this.#options.storedEpoch();
    const stored = await history.before(symbol, interval, END_OF_TIME_MS, STORED_WINDOW + 1);
    const closed = stored.filter((candle) => candle.closed).slice(-STORED_WINDOW);
    const open = stored.find((candle) => !candle.closed) ?? null;
    const gaps = closed[0] === undefined ? [] : await history.gaps(symbol, closed[0].openTime, END_OF_TIME_MS);
    const seq = Math.max(0, ...closed.map((candle) => candle.seq), ...gaps.map((gap) => gap.seq));
    return { epoch, seq, closed, open, gaps };
  }

  /**
   * Candles ascending, the open one included where it lies in [from, to). With `from` the oldest `limit`, else the latest.
   * @throws HistoryBehindError, or what the store throws.
   */
  async query(symbol: string, interval: Interval, range: CandleRange): Promise<Found> {
    try {
      return await this.#read(symbol, interval, range);
    } catch (error) {
      if (!(error instanceof HistoryBehindError)) throw error;
      await this.#options.storeCatchesUp();
      return await this.#read(symbol, interval, range);
    }
  }

  async #read(symbol: string, interval: Interval, range: CandleRange): Promise<Found> {
    const window = await this.window(symbol, interval).catch((error: unknown) => {
      // What is published cannot be seen now; a stretch that ended before it is in the store all the same.
      if (range.to === undefined || !this.#options.isStored(symbol)) throw error;
      return error as Error;
    });
    if (window instanceof Error) return this.#readStored(symbol, interval, { ...range, to: range.to ?? 0 }, window);
    return this.#join(symbol, interval, range, window);
  }

  /** @throws `unseen` when the store does not reach the end of what was asked for. */
  async #readStored(
    symbol: string,
    interval: Interval,
    { from, to, limit }: CandleRange & { readonly to: number },
    unseen: Error,
  ): Promise<Found> {
    const { history } = this.#options;
    const last = (await history.before(symbol, interval, to, 1)).at(-1);
    if (last === undefined || !last.closed || bucketEnd(interval, last.openTime) < to) throw unseen;
    const candles =
      from === undefined
        ? await history.before(symbol, interval, to, limit)
        : await history.range(symbol, interval, from, to, limit);
    return { candles, known: true };
  }

  async #join(
    symbol: string,
    interval: Interval,
    { from, to = END_OF_TIME_MS, limit }: CandleRange,
    window: HotWindow | null,
  ): Promise<Found> {
    if (window === null) return { candles: [], known: false };
    const hot = window.open === null ? window.closed : [...window.closed, window.open];
    const edge = hot[0]?.openTime ?? END_OF_TIME_MS;
    const inRange = hot.filter((candle) => candle.openTime >= (from ?? 0) && candle.openTime < to);
    const { history } = this.#options;
    const end = Math.min(to, edge);
    const seam = { symbol, end, met: to > edge && hot.length > 0, behind: this.#options.isStoreBehind() };
    if (from === undefined) {
      if (inRange.length >= limit) return { candles: inRange.slice(-limit), known: true };
      const older = await history.before(symbol, interval, end, limit - inRange.length);
      await this.#requireSeam(older.at(-1), seam);
      return { candles: [...older, ...inRange], known: true };
    }
    const older = from < edge ? await history.range(symbol, interval, from, end, limit) : [];
    if (older.length < limit && from < edge) await this.#requireSeam(older.at(-1), seam);
    return { candles: [...older, ...inRange].slice(0, limit), known: true };
  }

  /**
   * The store is written in order: either its last candle reaches the end of what was asked of it, or nothing is on its
   * way into it. Where memory follows, what lies between can only be a gap.
   */
  async #requireSeam(last: Candle | undefined, { symbol, end, met, behind }: Seam): Promise<void> {
    const reached = last === undefined ? null : bucketEnd(last.interval, last.openTime);
    if (reached !== null && reached >= end) return;
    if (behind) throw new HistoryBehindError(symbol);
    if (reached === null || !met) return;
    const gaps = await this.#options.history.gaps(symbol, reached, end);
    if (gaps.length === 0) throw new HistoryBehindError(symbol);
  }
}
