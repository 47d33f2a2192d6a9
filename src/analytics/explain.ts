import { bucketEnd, bucketStart, DAY_MS, type Interval } from '../market/interval.js';
import { compareDays } from './copy.js';
import type { AnalyticsDatabase } from './database.js';
import { type Difference, ofAggregate, ofDay } from './differences.js';
import type { Aggregates, DaySource, Stretch } from './source.js';

/** What is compared at once: a day of the short aggregates takes some ten milliseconds of the store. */
export type Part = 'short' | 'weeks' | 'months';

const LONG: Readonly<Record<Exclude<Part, 'short'>, Interval>> = { weeks: '1w', months: '1M' };

/** Whole buckets of the weeks or months that touch a stretch. */
export function wholeBuckets(part: Exclude<Part, 'short'>, { from, to }: Stretch): Stretch {
  const interval = LONG[part];
  return { from: bucketStart(interval, from), to: bucketEnd(interval, bucketStart(interval, to - 1)) };
}

export interface Compared {
  readonly source: DaySource;
  readonly aggregates: Aggregates;
  readonly database: AnalyticsDatabase;
}

/** Everything that differs in a stretch of whole days, bite by bite; nothing is put right. */
export async function* explain(
  { source, aggregates, database }: Compared,
  symbols: readonly string[],
  within: Stretch,
): AsyncGenerator<readonly Difference[]> {
  for (const symbol of symbols) {
    const days = await compareDays(source, database, [symbol], within);
    yield days.differences.map(ofDay);
    const span = await source.span(symbol);
    if (span === null) continue;
    const stretch = { from: Math.max(within.from, span.first), to: Math.min(within.to, span.last + DAY_MS) };
    for (const bite of bitesOf(stretch)) {
      const found = await aggregates.compare(bite.part, symbol, bite.from, bite.to);
      yield found.map((difference) => ofAggregate(symbol, difference));
    }
  }
}

function* bitesOf(stretch: Stretch): Generator<Stretch & { readonly part: Part }> {
  if (stretch.from >= stretch.to) return;
  for (let from = stretch.from; from < stretch.to; from += DAY_MS) yield { part: 'short', from, to: from + DAY_MS };
  for (const part of ['weeks', 'months'] as const) yield { part, ...wholeBuckets(part, stretch) };
}
