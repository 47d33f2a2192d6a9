import type { Candle } from '../../src/market/candle.js';
import { bucketEnd, bucketStart, type Interval } from '../../src/market/interval.js';

/** Candles of an interval from minutes in any order: the plain, slow way. */
export function foldMinutes(minutes: readonly Candle[], interval: Interval, closedBefore: number): Candle[] {
  const buckets = new Map<number, Candle[]>();
  for (const minute of [...minutes].sort((a, b) => a.openTime - b.openTime)) {
    const start = bucketStart(interval, minute.openTime);
    buckets.set(start, [...(buckets.get(start) ?? []), minute]);
  }
  return [...buckets].map(([openTime, rows]) => foldBucket(rows, interval, openTime, closedBefore));
}

function foldBucket(rows: readonly Candle[], interval: Interval, openTime: number, closedBefore: number): Candle {
  const first = rows[0];
  const last = rows.at(-1);
  if (first === undefined || last === undefined) throw new Error('an empty bucket');
  const traded = rows.filter(({ trades }) => trades > 0);
  return {
    symbol: first.symbol,
    interval,
    openTime,
    open: first.open,
    high: extreme(
      rows.map(({ high }) => high),
      1,
    ),
    low: extreme(
      rows.map(({ low }) => low),
      -1,
    ),
    close: last.close,
    volume: total(
      rows.map(({ volume }) => volume),
      8,
    ),
    quoteVolume: total(
      rows.map(({ quoteVolume }) => quoteVolume),
      16,
    ),
    takerBuyVolume: total(
      rows.map(({ takerBuyVolume }) => takerBuyVolume),
      8,
    ),
    takerBuyQuoteVolume: total(
      rows.map(({ takerBuyQuoteVolume }) => takerBuyQuoteVolume),
      16,
    ),
    trades: rows.reduce((sum, { trades }) => sum + trades, 0),
    firstTradeId: traded[0]?.firstTradeId ?? null,
    lastTradeId: traded.at(-1)?.lastTradeId ?? null,
    firstTradeTime: traded[0]?.firstTradeTime ?? null,
    lastTradeTime: traded.at(-1)?.lastTradeTime ?? null,
    closed: bucketEnd(interval, openTime) <= closedBefore,
    revision: rows.reduce((sum, { revision }) => sum + revision, 0),
    seq: Math.max(...rows.map(({ seq }) => seq)),
  };
}

function units(text: string): bigint {
  return BigInt(text.replace('.', ''));
}

function extreme(values: readonly string[], sign: 1 | -1): string {
  return values.reduce((best, value) => ((units(value) - units(best)) * BigInt(sign) > 0n ? value : best));
}

function total(values: readonly string[], scale: number): string {
  const digits = values
    .reduce((sum, value) => sum + units(value), 0n)
    .toString()
    .padStart(scale + 1, '0');
  return `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}
