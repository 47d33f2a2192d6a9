import type { Candle, Gap } from '../market/candle.js';
import type { Interval } from '../market/interval.js';

/**
 * Stored candles, older than memory. The store may lag behind what was published, but it is written in the order of
 * `seq` for each symbol: whatever has a smaller seq than a row that is there, is there too.
 * Every member rejects with an error named HistoryUnavailable when the store cannot answer now.
 */
export interface History {
  /** The latest `limit` candles with openTime < beforeMs, ascending. */
  before(symbol: string, interval: Interval, beforeMs: number, limit: number): Promise<readonly Candle[]>;
  /**
   * Candles that closed or changed after `seq`, with openTime < beforeMs, ascending by openTime.
   * null: that cannot be answered completely: the data of that time is not kept any more, or they are more than are
   * read at once (no fewer than the gateway's limit of a resume).
   */
  since(symbol: string, interval: Interval, seq: number, beforeMs: number): Promise<readonly Candle[] | null>;
  /** Gaps announced after `seq`, ascending by seq. */
  gapsSince(symbol: string, seq: number): Promise<readonly Gap[]>;
  /** Gaps that touch [fromMs, toMs), ascending by seq. */
  gaps(symbol: string, fromMs: number, toMs: number): Promise<readonly Gap[]>;
  /** The first epoch of this store: positions of an older one speak of data that was wiped. */
  firstEpoch(): Promise<number>;
}

export class HistoryUnavailable extends Error {
  override readonly name = 'HistoryUnavailable';
}

/** By name: the store has a class of its own for it. */
export function isHistoryUnavailable(error: unknown): error is Error {
  return error instanceof Error && error.name === 'HistoryUnavailable';
}
