/** Candle intervals and their buckets. All bounds are UTC epoch milliseconds. */

export const INTERVALS = [
  '1m',
  '3m',
  '5m',
  '15m',
  '30m',
  '1h',
  '2h',
  '4h',
  '6h',
  '8h',
  '12h',
  '1d',
  '3d',
  '1w',
  '1M',
] as const;

export type Interval = (typeof INTERVALS)[number];

export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
/** 1970-01-05, the first Monday of the epoch: weeks start on Mondays (ISO 8601). */
const FIRST_MONDAY_MS = 4 * DAY_MS;

/** Length in ms; null for the calendar month, whose length varies. */
export const INTERVAL_MS: Readonly<Record<Interval, number | null>> = {
  '1m': MINUTE_MS,
  '3m': 3 * MINUTE_MS,
  '5m': 5 * MINUTE_MS,
  '15m': 15 * MINUTE_MS,
  '30m': 30 * MINUTE_MS,
  '1h': HOUR_MS,
  '2h': 2 * HOUR_MS,
  '4h': 4 * HOUR_MS,
  '6h': 6 * HOUR_MS,
  '8h': 8 * HOUR_MS,
  '12h': 12 * HOUR_MS,
  '1d': DAY_MS,
  '3d': 3 * DAY_MS,
  '1w': WEEK_MS,
  '1M': null,
};

const NAMES: ReadonlySet<string> = new Set(INTERVALS);

export function isInterval(text: string): text is Interval {
  return NAMES.has(text);
}

/** Open time of the bucket that holds `timeMs`. 3d counts from the Unix epoch, 1w from a Monday, 1M is the calendar month. */
export function bucketStart(interval: Interval, timeMs: number): number {
  const length = INTERVAL_MS[interval];
  if (length === null) return monthStart(timeMs, 0);
  if (interval === '1w') return timeMs - mod(timeMs - FIRST_MONDAY_MS, WEEK_MS);
  return timeMs - mod(timeMs, length);
}

/** Exclusive end of the bucket that opens at `openTime`. */
export function bucketEnd(interval: Interval, openTime: number): number {
  const length = INTERVAL_MS[interval];
  return length === null ? monthStart(openTime, 1) : openTime + length;
}

/** Open time of the bucket `count` buckets before the one that opens at `openTime`. */
export function bucketBack(interval: Interval, openTime: number, count: number): number {
  const length = INTERVAL_MS[interval];
  return length === null ? monthStart(openTime, -count) : openTime - count * length;
}

function monthStart(timeMs: number, addMonths: number): number {
  const date = new Date(timeMs);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + addMonths, 1);
}

function mod(value: number, by: number): number {
  const rest = value % by;
  return rest < 0 ? rest + by : rest;
}
