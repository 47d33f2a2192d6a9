import { bucketStart, DAY_MS } from '../market/interval.js';
import { type Part, wholeBuckets } from './explain.js';
import type { Stretch } from './source.js';

/** A piece of work: one symbol over one stretch. */
export interface Bite {
  readonly symbol: string;
  readonly part: Part | 'daily';
  readonly stretch: Stretch;
}

/**
 * First what is outside of the days that the store has. Then month by month, the newest first: of each symbol what is shorter than a
 * day, and then what is made of its days.
 */
export function* bites(spans: ReadonlyMap<string, Stretch>, until: number): Generator<Bite> {
  for (const [symbol, { from, to }] of spans) {
    yield { symbol, part: 'daily', stretch: { from: 0, to: from } };
    yield { symbol, part: 'daily', stretch: { from: to, to: until } };
  }
  const oldest = Math.min(...[...spans.values()].map(({ from }) => from));
  const newest = Math.max(...[...spans.values()].map(({ to }) => to));
  for (let to = newest; to > oldest; to = bucketStart('1M', to - 1)) {
    const month = { from: bucketStart('1M', to - 1), to };
    for (const [symbol, span] of spans) yield* bitesOfMonth(symbol, common(span, month));
  }
}

export function keyOf({ symbol, part, stretch }: Bite): string {
  return `${symbol} ${part} ${stretch.from}`;
}

function* bitesOfMonth(symbol: string, stretch: Stretch): Generator<Bite> {
  if (stretch.from >= stretch.to) return;
  for (let to = stretch.to; to > stretch.from; to -= DAY_MS)
    yield { symbol, part: 'short', stretch: { from: to - DAY_MS, to } };
  for (const part of ['weeks', 'months'] as const) yield { symbol, part, stretch: wholeBuckets(part, stretch) };
  yield { symbol, part: 'daily', stretch };
}

function common(a: Stretch, b: Stretch): Stretch {
  return { from: Math.max(a.from, b.from), to: Math.min(a.to, b.to) };
}
