import type { Candle } from '../../../src/market/candle.js';
import { bucketEnd, type Interval } from '../../../src/market/interval.js';
import { exchangeKlines } from '../../support/oracle.js';

export interface Sketch {
  readonly openTime: number;
  readonly open: string;
  readonly high: string;
  readonly low: string;
  readonly close: string;
  readonly volume: string;
  readonly revision?: number;
  readonly seq?: number;
}

const EVENTS_PER_MINUTE = 2 ** 20;

/** seq of the close of the candle that opens at a time; corrections count up from it. */
export function closeSeq(interval: Interval, openTime: number): number {
  return (bucketEnd(interval, openTime) / 60_000 - 1) * EVENTS_PER_MINUTE;
}

export function candle(symbol: string, interval: Interval, sketch: Sketch): Candle {
  return {
    symbol,
    interval,
    quoteVolume: '0.0000000000000000',
    takerBuyVolume: '0.00000000',
    takerBuyQuoteVolume: '0.0000000000000000',
    trades: 1,
    firstTradeId: 1,
    lastTradeId: 1,
    firstTradeTime: sketch.openTime,
    lastTradeTime: sketch.openTime,
    closed: true,
    revision: 0,
    seq: closeSeq(interval, sketch.openTime),
    ...sketch,
  };
}

/** The exchange's 3,560 minutes. */
export function realMinutes(): Candle[] {
  return exchangeKlines().map(([openTime, open, high, low, close, volume]) =>
    candle('XRPETH', '1m', { openTime, open, high, low, close, volume }),
  );
}
