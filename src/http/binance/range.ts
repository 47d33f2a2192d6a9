import type { Interval } from '../../market/interval.js';

/** Bounds are epoch ms on open times, `from` inclusive, `to` exclusive; null: none. `offsetMs`: of the zone that buckets follow. */
export interface KlineRange {
  readonly symbol: string;
  readonly interval: Interval;
  readonly offsetMs: number;
  readonly from: number | null;
  readonly to: number | null;
  readonly limit: number;
}
