import type { Candle } from '../../src/market/candle.js';
import { bucketStart, INTERVALS, type Interval } from '../../src/market/interval.js';
import type { Trade } from '../../src/market/trade.js';

/** A slow, obvious fold in BigInt that shares nothing with the engine but the bucket arithmetic. */
export interface ReferenceCandle {
  openTime: number;
  open: string;
  high: string;
  low: string;
  close: string;
  volume: string;
  quoteVolume: string;
  takerBuyVolume: string;
  takerBuyQuoteVolume: string;
  trades: number;
}

function groupBy<T>(items: readonly T[], key: (item: T) => number): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group === undefined) groups.set(key(item), [item]);
    else group.push(item);
  }
  return groups;
}

const E8 = 100_000_000n;

function scaled(whole: number, fraction: number): bigint {
  return BigInt(whole) * E8 + BigInt(fraction);
}

function text(value: bigint, decimals: number): string {
  const digits = value.toString().padStart(decimals + 1, '0');
  return `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
}

function foldSorted(openTime: number, trades: readonly Trade[], flatAt: string): ReferenceCandle {
  if (trades.length === 0) {
    const zero8 = text(0n, 8);
    const zero16 = text(0n, 16);
    return {
      openTime,
      open: flatAt,
      high: flatAt,
      low: flatAt,
      close: flatAt,
      volume: zero8,
      quoteVolume: zero16,
      takerBuyVolume: zero8,
      takerBuyQuoteVolume: zero16,
      trades: 0,
    };
  }
  const prices = trades.map((trade) => scaled(trade.priceWhole, trade.priceFraction));
  const quantities = trades.map((trade) => scaled(trade.quantityWhole, trade.quantityFraction));
  const sum = (pick: (i: number) => bigint) => trades.reduce((total, _, i) => total + pick(i), 0n);
  const bought = (i: number) => (trades[i]?.takerSide === 'buy' ? 1n : 0n);
  const at = (list: readonly bigint[], i: number) => list[i] ?? 0n;
  return {
    openTime,
    open: text(at(prices, 0), 8),
    high: text(
      prices.reduce((a, b) => (a > b ? a : b)),
      8,
    ),
    low: text(
      prices.reduce((a, b) => (a < b ? a : b)),
      8,
    ),
    close: text(at(prices, prices.length - 1), 8),
    volume: text(
      sum((i) => at(quantities, i)),
      8,
    ),
    quoteVolume: text(
      sum((i) => at(prices, i) * at(quantities, i)),
      16,
    ),
    takerBuyVolume: text(
      sum((i) => at(quantities, i) * bought(i)),
      8,
    ),
    takerBuyQuoteVolume: text(
      sum((i) => at(prices, i) * at(quantities, i) * bought(i)),
      16,
    ),
    trades: trades.length,
  };
}

/** Every minute from the first trade to the last, flat where there is none. */
export function referenceMinutes(trades: readonly Trade[]): ReferenceCandle[] {
  const unique = [...new Map(trades.map((trade) => [trade.id, trade])).values()];
  const sorted = unique.sort((a, b) => a.time - b.time || a.id - b.id);
  const byMinute = groupBy(sorted, (trade) => bucketStart('1m', trade.time));
  const first = sorted[0];
  const last = sorted.at(-1);
  if (first === undefined || last === undefined) return [];
  const candles: ReferenceCandle[] = [];
  let flatAt = '';
  for (let minute = bucketStart('1m', first.time); minute <= last.time; minute += 60_000) {
    const candle = foldSorted(minute, byMinute.get(minute) ?? [], flatAt);
    flatAt = candle.close;
    candles.push(candle);
  }
  return candles;
}

function units(decimal: string): bigint {
  return BigInt(decimal.replace('.', ''));
}

/** A longer interval as the plain fold of the minutes, given ascending. */
export function referenceRoll(minutes: readonly ReferenceCandle[], interval: Interval): ReferenceCandle[] {
  const groups = groupBy(minutes, (minute) => bucketStart(interval, minute.openTime));
  return [...groups].map(([openTime, group]) => {
    const total = (pick: (candle: ReferenceCandle) => string, decimals: number) =>
      text(
        group.reduce((sum, candle) => sum + units(pick(candle)), 0n),
        decimals,
      );
    const best = (pick: (candle: ReferenceCandle) => string, better: (a: bigint, b: bigint) => boolean) =>
      group.map(pick).reduce((a, b) => (better(units(b), units(a)) ? b : a));
    return {
      openTime,
      open: group[0]?.open ?? '',
      high: best(
        (candle) => candle.high,
        (a, b) => a > b,
      ),
      low: best(
        (candle) => candle.low,
        (a, b) => a < b,
      ),
      close: group.at(-1)?.close ?? '',
      volume: total((candle) => candle.volume, 8),
      quoteVolume: total((candle) => candle.quoteVolume, 16),
      takerBuyVolume: total((candle) => candle.takerBuyVolume, 8),
      takerBuyQuoteVolume: total((candle) => candle.takerBuyQuoteVolume, 16),
      trades: group.reduce((sum, candle) => sum + candle.trades, 0),
    };
  });
}

/** The fields that the reference speaks of. */
export function essence(candle: Candle): ReferenceCandle {
  const { openTime, open, high, low, close, volume, quoteVolume, takerBuyVolume, takerBuyQuoteVolume, trades } = candle;
  return { openTime, open, high, low, close, volume, quoteVolume, takerBuyVolume, takerBuyQuoteVolume, trades };
}

export const LONGER_INTERVALS = INTERVALS.filter((interval) => interval !== '1m');
