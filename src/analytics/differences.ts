import type { DayDifference } from './copy.js';
import { type AggregateDifference, dateOf, type Values } from './source.js';

/** A candle that is not what it is made of, in words. */
export interface Difference {
  /** `daily_ohlcv`, `ohlcv_5m`, … */
  readonly table: string;
  readonly symbol: string;
  /** `2024-01-05` of days and longer, else ISO 8601. */
  readonly time: string;
  /** null: there should be none. */
  readonly expected: Values | null;
  /** null: it is missing. */
  readonly found: Values | null;
  readonly reason: string;
}

export function ofDay({ symbol, date, expected, found }: DayDifference): Difference {
  const text = (row: DayDifference['expected']): Values | null => {
    if (row === null) return null;
    const { open, high, low, close, volume, quoteVolume, trades } = row;
    return {
      open: String(open),
      high: String(high),
      low: String(low),
      close: String(close),
      volume: String(volume),
      quote_volume: String(quoteVolume),
      trade_count: String(trades),
    };
  };
  return {
    table: 'daily_ohlcv',
    symbol,
    time: date,
    expected: text(expected),
    found: text(found),
    reason: whyDay(expected, found),
  };
}

function whyDay(expected: DayDifference['expected'], found: DayDifference['found']): string {
  if (found === null) return 'missing: the day was not copied yet';
  if (expected === null) return 'extra: the store has no such complete day';
  const at = new Date(found.version / 1000).toISOString();
  if (found.trades !== expected.trades)
    return `out of date: trades were added or corrected since it was copied at ${at}`;
  return `out of date: the day was corrected since it was copied at ${at}`;
}

const DAYS_AND_LONGER: ReadonlySet<string> = new Set(['ohlcv_1d', 'ohlcv_1w', 'ohlcv_1mon']);

export function ofAggregate(symbol: string, { relation, openTime, expected, found }: AggregateDifference): Difference {
  const time = DAYS_AND_LONGER.has(relation) ? dateOf(openTime) : new Date(openTime).toISOString();
  return { table: relation, symbol, time, expected, found, reason: whyAggregate(expected, found) };
}

function whyAggregate(expected: Values | null, found: Values | null): string {
  if (found === null) return 'missing: not refreshed since its parts were written';
  if (expected === null) return 'extra: none of its parts are there any more';
  const [wanted, had] = [Number(expected.revision), Number(found.revision)];
  if (wanted > had) return `not refreshed since revision ${wanted} of its parts (it shows ${had})`;
  if (Number(expected.trade_count) > Number(found.trade_count)) return 'not refreshed since trades were added';
  return 'its values are not those of its parts';
}
