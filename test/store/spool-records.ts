import type { Candle } from '../../src/market/candle.js';
import { nextSeq } from '../../src/market/position.js';
import type { CandleRecord } from '../../src/store/spool/record.js';

export const T0 = Date.UTC(2024, 0, 1);

/** The closed minute number `n` of a symbol. */
export function minute(n: number, over: Partial<Candle> = {}, epoch = 1): CandleRecord {
  const openTime = T0 + n * 60_000;
  const price = `${100 + (n % 50)}.${String(10_000_000 + n).padStart(8, '0')}`;
  const candle: Candle = {
    symbol: 'XRPETH',
    interval: '1m',
    openTime,
    open: price,
    high: price,
    low: price,
    close: price,
    volume: `${n}.00000001`,
    quoteVolume: `${n}.0000000000000001`,
    takerBuyVolume: '0.00000000',
    takerBuyQuoteVolume: '0.0000000000000000',
    trades: 3,
    firstTradeId: n * 3,
    lastTradeId: n * 3 + 2,
    firstTradeTime: openTime + 1,
    lastTradeTime: openTime + 59_999,
    closed: true,
    revision: 0,
    seq: nextSeq(0, openTime),
    ...over,
  };
  return { kind: 'candle', epoch, candle };
}

export function minutes(from: number, count: number, over: Partial<Candle> = {}): CandleRecord[] {
  return Array.from({ length: count }, (_, i) => minute(from + i, over));
}
