import { fc, test } from '@fast-check/vitest';
import { expect } from 'vitest';
import { BUCKET_BOUNDS, DurationHistogram } from '../../src/kit/histogram.js';

test.prop([
  fc.array(
    fc.oneof(
      fc.double({ min: -10, max: 200_000, noNaN: true }),
      fc.constantFrom(...BUCKET_BOUNDS.map((s) => s * 1000)),
    ),
  ),
])('counts each duration in every bucket that it fits in, and sums them', (durationsMs) => {
  const histogram = new DurationHistogram();
  for (const durationMs of durationsMs) histogram.observe(durationMs);
  const expected = BUCKET_BOUNDS.map((bound) => durationsMs.filter((durationMs) => durationMs <= bound * 1000).length);
  expect(histogram.cumulative()).toEqual([...expected, durationsMs.length]);
  const sumMs = durationsMs.filter((durationMs) => durationMs > 0).reduce((sum, durationMs) => sum + durationMs, 0);
  expect(histogram.sumSeconds).toBeCloseTo(sumMs / 1000, 6);
});
