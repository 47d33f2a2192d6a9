import { bucketEnd, bucketStart, DAY_MS, HOUR_MS, INTERVAL_MS, type Interval, MINUTE_MS } from './interval.js';

/** Buckets of another time zone: an interval whose buckets begin `offsetMs` earlier than those of UTC, as days do east of it. */
export interface Shifted {
  readonly interval: Interval;
  readonly offsetMs: number;
}

/** Whether the buckets are those of UTC all the same. */
export function isAligned({ interval, offsetMs }: Shifted): boolean {
  const length = INTERVAL_MS[interval];
  return offsetMs === 0 || (length !== null && length <= DAY_MS && offsetMs % length === 0);
}

export function shiftedStart({ interval, offsetMs }: Shifted, timeMs: number): number {
  return bucketStart(interval, timeMs + offsetMs) - offsetMs;
}

/** Exclusive end of the bucket that opens at `openTime`. */
export function shiftedEnd({ interval, offsetMs }: Shifted, openTime: number): number {
  return bucketEnd(interval, openTime + offsetMs) - offsetMs;
}

/** The longest interval whose candles in UTC make up the buckets whole. */
export function childOf({ interval, offsetMs }: Shifted): Interval {
  const length = INTERVAL_MS[interval] ?? Number.POSITIVE_INFINITY;
  const children: readonly (readonly [Interval, number])[] = [
    ['1h', HOUR_MS],
    ['30m', 30 * MINUTE_MS],
    ['15m', 15 * MINUTE_MS],
    ['5m', 5 * MINUTE_MS],
  ];
  const found = children.find(
    ([, ms]) => offsetMs % ms === 0 && ms <= length && (length % ms === 0 || length > DAY_MS),
  );
  return found?.[0] ?? '1m';
}
