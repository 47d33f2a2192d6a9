import { bucketEnd, bucketStart, DAY_MS, type Interval } from '../market/interval.js';
import type { Aggregates, AggregateDifference, Stretch } from './source.js';

/** What of the aggregates is compared at once: a day of the short ones takes some ten milliseconds of the store. */
export type Part = 'short' | 'weeks' | 'months';

const LONG: Readonly<Record<Exclude<Part, 'short'>, Interval>> = { weeks: '1w', months: '1M' };

/** Whole buckets of a part that touch a stretch. */
export function wholeBuckets(part: Part, { from, to }: Stretch): Stretch {
  if (part === 'short') return { from: bucketStart('1d', from), to: bucketStart('1d', to + DAY_MS - 1) };
  const interval = LONG[part];
  return { from: bucketStart(interval, from), to: bucketEnd(interval, bucketStart(interval, to - 1)) };
}

/** Compares the aggregates of one symbol, a bite at a time. */
export async function* lookAtAggregates(
  aggregates: Aggregates,
  symbol: string,
  stretch: Stretch,
): AsyncGenerator<readonly AggregateDifference[]> {
  const short = wholeBuckets('short', stretch);
  for (let day = short.to - DAY_MS; day >= short.from; day -= DAY_MS)
    yield await aggregates.compare('short', symbol, day, day + DAY_MS);
  for (const part of ['weeks', 'months'] as const) {
    const { from, to } = wholeBuckets(part, stretch);
    yield await aggregates.compare(part, symbol, from, to);
  }
}
