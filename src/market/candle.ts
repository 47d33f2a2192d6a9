import { HOUR_MS, type Interval } from './interval.js';

/**
 * Corrections reach this far behind the newest closed minute: older trades are too late, and after a restart feeds deliver again from
 * here on.
 */
export const REVISION_HORIZON_MS = HOUR_MS;

/**
 * One candle, immutable. Prices and volumes are decimal strings with all eight decimals, as DECIMAL(20,8) prints them;
 * quote volumes have sixteen, so that their sums stay exact.
 */
export interface Candle {
  readonly symbol: string;
  readonly interval: Interval;
  /** Bucket open, epoch ms. */
  readonly openTime: number;
  readonly open: string;
  readonly high: string;
  readonly low: string;
  readonly close: string;
  readonly volume: string;
  readonly quoteVolume: string;
  readonly takerBuyVolume: string;
  readonly takerBuyQuoteVolume: string;
  /** Number of trades; 0 = a flat candle. */
  readonly trades: number;
  /** First and last trade in (time, id) order; null in a flat candle. Times are epoch ms. */
  readonly firstTradeId: number | null;
  readonly lastTradeId: number | null;
  readonly firstTradeTime: number | null;
  readonly lastTradeTime: number | null;
  readonly closed: boolean;
  /** Corrections since the first close; for longer intervals the sum over its minutes. */
  readonly revision: number;
  /** Position of the latest change: the largest `seq` of its minutes (see market/position). 0 while nothing of it has closed. */
  readonly seq: number;
}

/** What clients see of a candle. */
export type Bar = Pick<
  Candle,
  'openTime' | 'open' | 'high' | 'low' | 'close' | 'volume' | 'trades' | 'closed' | 'revision'
>;

/** A closed candle as it is stored, with its position. */
export interface StoredBar extends Bar {
  /** That of the latest change of it. */
  readonly seq: number;
  /** Of the newest writer of it. */
  readonly epoch: number;
}

/** A stretch of time in which the feed was away: candles that touch [from, to) may lack trades. Epoch ms, `to` exclusive. */
export interface Gap {
  readonly symbol: string;
  readonly from: number;
  readonly to: number;
  readonly reason: string;
  readonly seq: number;
}
