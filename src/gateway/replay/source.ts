import type { Candle, Gap, StoredBar } from '../../market/candle.js';
import type { Interval } from '../../market/interval.js';

/** Where what is stored of a symbol begins and ends, epoch ms. */
export interface Extent {
  /** Open time of the oldest minute. */
  readonly start: number;
  /** Exclusive end of the newest minute, or of the gap after it. */
  readonly end: number;
  /** Open time of the last minute before the time asked for; null: there is none. */
  readonly last: number | null;
  /** Of the last minute before the time asked for, or else of the oldest. */
  readonly epoch: number;
}

/** What was read together, as an array has it; an item may be made anew whenever it is asked for. */
export interface Page<T> extends Iterable<T> {
  readonly length: number;
  /** As `Array.prototype.at`. */
  at(index: number): T | undefined;
}

/**
 * Stored candles for replays, over connections that nothing else uses. Every member rejects with an error named
 * HistoryUnavailable when the store cannot answer now.
 */
export interface ReplaySource {
  /** null: nothing is stored of it. */
  extent(symbol: string, beforeMs: number): Promise<Extent | null>;
  /** The first `limit` candles with fromMs <= openTime < toMs, ascending. */
  bars(symbol: string, interval: Interval, fromMs: number, toMs: number, limit: number): Promise<Page<StoredBar>>;
  /** The first `limit` gaps that end after `afterMs` (or then, with a seq above `afterSeq`), by their end and seq. */
  gapsAfter(symbol: string, afterMs: number, afterSeq: number, limit: number): Promise<readonly Gap[]>;
  /** Gaps that touch [fromMs, toMs), by seq. */
  gaps(symbol: string, fromMs: number, toMs: number): Promise<readonly Gap[]>;
  /** The latest `limit` closed candles with openTime < beforeMs, ascending. */
  before(symbol: string, interval: Interval, beforeMs: number, limit: number): Promise<readonly Candle[]>;
}
