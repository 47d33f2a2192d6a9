import type { Candle, Gap } from '../market/candle.js';
import { bucketEnd, bucketStart, DAY_MS, INTERVAL_MS, MINUTE_MS } from '../market/interval.js';
import { type Position, seqMinute } from '../market/position.js';
import type { Recovery } from '../wire/frames.js';
import type { Limited } from '../wire/messages.js';
import { isContinuous, mergeCandles, mergeGaps } from './merge.js';
import type { Published } from './published.js';

/** Closed candles sent where a resume failed and no `snapshot` was asked for: as many of them as are in memory. */
export const FRESH_SNAPSHOT = 100;

/** What a subscriber wants first. `snapshot` null: it did not say. */
export interface Wanted {
  readonly snapshot: number | null;
  /** A snapshot of fewer will do where memory has no more. */
  readonly atOnce: boolean;
  readonly position: Position | null;
  /** How far back the plan lets it look from the newest closed candle; null: as far as there is. */
  readonly bound: Limited | null;
}

/** What has been read from the store so far to answer one subscriber. */
export interface Stored {
  older: Rows | null;
  /** 'lost': the store cannot tell completely. */
  missed: Rows | 'lost' | null;
  firstEpoch: number | null;
  /** 'lost': the position is beyond what was published, and waiting has not changed that. */
  ahead: 'lost' | null;
}

export interface Rows {
  readonly candles: readonly Candle[];
  readonly gaps: readonly Gap[];
  /** Everything of the symbol up to this seq was stored when the rows were read. */
  readonly through: number;
}

/** What must be read (again: the store was behind), or with `ahead` waited for, before an answer is possible. */
export type Need = keyof Stored;

export function nothingStored(): Stored {
  return { older: null, missed: null, firstEpoch: null, ahead: null };
}

/** Everything a subscriber gets before live goes on; pure, so that it can be put together in the turn it is sent in. */
export function answer(live: Published, wanted: Wanted, stored: Stored, resumeCandles: number): Recovery | Need {
  if (wanted.position === null) return bounded(live, wanted, wanted.snapshot ?? 0, stored, null);
  const resumed = isBeyond(live, wanted.position, wanted.bound)
    ? 'lost'
    : resume(live, wanted.position, stored, resumeCandles);
  if (resumed !== 'lost') return resumed;
  return bounded(live, wanted, wanted.snapshot ?? Math.min(FRESH_SNAPSHOT, live.closed.length), stored, false);
}

/** A snapshot without what the plan does not give; says so where it was asked for more. */
function bounded(
  live: Published,
  wanted: Wanted,
  count: number,
  stored: Stored,
  recovered: false | null,
): Recovery | Need {
  const { bound } = wanted;
  const from = startOf(live, bound);
  if (bound === null || from === null) return snapshot(live, wanted, count, stored, recovered);
  const most = ((live.closedUntil() ?? 0) - from) / (INTERVAL_MS[live.interval] ?? SHORTEST_MONTH_MS);
  const result = snapshot(live, wanted, Math.min(count, Math.ceil(most)), stored, recovered);
  if (typeof result === 'string') return result;
  const candles = result.candles.filter((candle) => candle.openTime >= from);
  const isCut = count > most || candles.length < result.candles.length || isBeyond(live, wanted.position, bound);
  const gaps = result.gaps.filter((gap) => gap.to > from);
  return { ...result, candles, gaps, limited: isCut ? bound : null };
}

const SHORTEST_MONTH_MS = 28 * DAY_MS;

/** Open time of the oldest candle within the bound; null while nothing has closed. */
function startOf(live: Published, bound: Limited | null): number | null {
  const until = live.closedUntil();
  return bound === null || until === null ? null : bucketStart(live.interval, until - bound.historyDays * DAY_MS);
}

/** What was missed begins before the bound: all of it is too much, and a part of it is no answer. */
function isBeyond(live: Published, position: Position | null, bound: Limited | null): boolean {
  const from = startOf(live, bound);
  return position !== null && from !== null && position.seq < live.seq && seqMinute(position.seq) + MINUTE_MS < from;
}

function snapshot(
  live: Published,
  { atOnce }: Wanted,
  count: number,
  stored: Stored,
  recovered: false | null,
): Recovery | Need {
  const suffices = count <= live.closed.length || live.whole || (atOnce && hasCandles(live));
  if (suffices) return fresh(live, live.latest(count), live.gaps, recovered);
  const rows = stored.older;
  if (rows === null || !live.joins(rows.candles, rows.through)) return 'older';
  const candles = [...live.olderOf(rows.candles), ...live.closed];
  const gaps = mergeGaps(rows.gaps, live.gaps);
  if (!isContinuous(live.interval, candles, gaps)) return 'older';
  return fresh(live, candles.slice(-count), gaps, recovered);
}

/** What is stored may be all there is of a symbol that had no trades for long. */
function hasCandles(live: Published): boolean {
  return live.closed.length > 0 || live.open !== null;
}

function fresh(live: Published, candles: readonly Candle[], gaps: readonly Gap[], recovered: false | null): Recovery {
  const from = candles[0]?.openTime ?? live.closedUntil() ?? 0;
  return { recovered, candles, open: live.open, gaps: gaps.filter((gap) => gap.to > from && gap.seq <= live.seq) };
}

function resume(
  live: Published,
  { epoch, seq }: Position,
  stored: Stored,
  resumeCandles: number,
): Recovery | Need | 'lost' {
  if (epoch < live.epoch) {
    if (stored.firstEpoch === null) return 'firstEpoch';
    if (epoch < stored.firstEpoch) return 'lost';
  }
  // Another node may have heard of it before this one.
  if (epoch > live.epoch || seq > live.seq) return stored.ahead ?? 'ahead';
  if (live.covers(seq)) return missed(live, seq, live.closed, live.gaps);
  const rows = stored.missed;
  if (rows === 'lost') return 'lost';
  if (rows === null || !live.joins(rows.candles, rows.through)) return 'missed';
  const all = missed(live, seq, mergeCandles(rows.candles, live.closed), mergeGaps(rows.gaps, live.gaps));
  return all.candles.length > resumeCandles ? 'lost' : all;
}

function missed(live: Published, seq: number, candles: readonly Candle[], gaps: readonly Gap[]): Recovery {
  // A bucket cut short by an outage closes with the seq of its last minute, which may be older than the position.
  const closedThrough = seqMinute(seq) + MINUTE_MS;
  return {
    recovered: true,
    candles: candles.filter((candle) => candle.seq > seq || bucketEnd(live.interval, candle.openTime) > closedThrough),
    open: live.open,
    gaps: gaps.filter((gap) => gap.seq > seq && gap.seq <= live.seq),
  };
}
