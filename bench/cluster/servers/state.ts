/** Stored state made up: what a symbol has after months. */
import type { StoredState } from '../../../src/candles/book.js';
import type { Candle } from '../../../src/market/candle.js';
import { bucketStart, DAY_MS, HOUR_MS, type Interval, MINUTE_MS } from '../../../src/market/interval.js';

/** The last minute of a day: with it candles of all intervals up to a day close. */
export const NOW = Date.UTC(2026, 0, 31) - MINUTE_MS;

function candle(symbol: string, interval: Interval, openTime: number): Candle {
  return {
    symbol,
    interval,
    openTime,
    open: '61234.56000000',
    high: '61250.00000000',
    low: '61200.10000000',
    close: '61240.01000000',
    volume: '123.45678901',
    quoteVolume: '7559876.1234567800000000',
    takerBuyVolume: '61.45678901',
    takerBuyQuoteVolume: '3763124.1234567800000000',
    trades: 1234,
    firstTradeId: 3_456_789_012,
    lastTradeId: 3_456_790_245,
    firstTradeTime: openTime + 12,
    lastTradeTime: openTime + MINUTE_MS - 7,
    closed: true,
    revision: 0,
    seq: (openTime / MINUTE_MS) * 2 ** 20,
  };
}

function series(symbol: string, interval: Interval, stepMs: number, count: number): Candle[] {
  const last = bucketStart(interval, NOW);
  return Array.from({ length: count }, (_, i) => candle(symbol, interval, last - (count - i) * stepMs));
}

/** Up to the minute before `NOW`. */
export function stateOf(symbol: string): StoredState {
  const minutes = series(symbol, '1m', MINUTE_MS, 130);
  return {
    minutes,
    hours: series(symbol, '1h', HOUR_MS, 49),
    days: series(symbol, '1d', DAY_MS, 63),
    gaps: [],
    lastSeq: minutes.at(-1)?.seq ?? 0,
  };
}
