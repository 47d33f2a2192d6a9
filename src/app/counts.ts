import type { Labels } from '../ops/metrics.js';

/** Counts by a key as a reading with the key as its label. */
export function counts(label: string, by: Readonly<Record<string, number | undefined>>): (readonly [Labels, number])[] {
  return Object.entries(by).map(([key, count]) => [{ [label]: key }, count ?? 0]);
}
