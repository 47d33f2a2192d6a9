/** Upper bounds of the buckets, seconds; what is longer is in one more. Close enough at both ends for lags, queries and logins alike. */
export const BUCKET_BOUNDS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];

const BOUNDS_MS = Float64Array.from(BUCKET_BOUNDS, (seconds) => seconds * 1000);
const BUCKETS = BOUNDS_MS.length + 1;

/** Counts durations by size. For hot paths: an observation costs some nanoseconds and allocates nothing. */
export class DurationHistogram {
  /** Of each bucket, then the sum of all in ms. */
  readonly #cells = new Float64Array(BUCKETS + 1);

  /** A negative one, of two clocks that differ, counts as 0. */
  observe(durationMs: number): void {
    let bucket = 0;
    while (bucket < BOUNDS_MS.length && durationMs > (BOUNDS_MS[bucket] ?? 0)) bucket++;
    const cells = this.#cells;
    cells[bucket] = (cells[bucket] ?? 0) + 1;
    if (durationMs > 0) cells[BUCKETS] = (cells[BUCKETS] ?? 0) + durationMs;
  }

  get sumSeconds(): number {
    return (this.#cells[BUCKETS] ?? 0) / 1000;
  }

  /** How many lasted no longer than each of BUCKET_BOUNDS; the last is how many there are. */
  cumulative(): number[] {
    let sum = 0;
    return Array.from(this.#cells.subarray(0, BUCKETS), (count) => {
      sum += count;
      return sum;
    });
  }
}
