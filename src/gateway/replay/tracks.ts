import type { Gap } from '../../market/candle.js';
import { bucketEnd, bucketStart, type Interval, MINUTE_MS } from '../../market/interval.js';
import { nextSeq, seqMinute } from '../../market/position.js';
import type { ReplayChannel } from './channel.js';
import type { Extent, ReplaySource } from './source.js';
import { coveredWith, seqOf, Track, timeOf } from './track.js';

/** Candles of a replay that are in memory at a time, twice, over all its tracks; of one no more than `MOST_ROWS`. */
const ROWS = 4_096;
const MOST_ROWS = 256;
const LEAST_ROWS = 16;
/** Longest first: what an open candle is begun from. A bucket has no more of each than the next longer one is long. */
const RUNGS: readonly Interval[] = ['1d', '1h', '1m'];
const RUNG_ROWS = 64;

/** What is known of one symbol before its first event. */
export interface Beginning {
  readonly symbol: string;
  /** What happened after `from` and up to `to` is played. */
  readonly from: number;
  readonly to: number;
  /** When the last thing before happened, at the latest at `from`: as it was left then, all is when the replay begins. */
  readonly since: number;
  readonly extent: Extent;
  /** Those that had ended, since before what is open began. */
  readonly gaps: readonly Gap[];
}

/** Whether they are read as minutes; else, where only closed candles of longer intervals are wanted, as those are stored. */
export function needMinutes(channels: readonly ReplayChannel[]): boolean {
  return channels.some(({ interval, closedOnly }) => interval === '1m' || !closedOnly);
}

/** Brings channels to where the replay begins: their positions, and what of open candles is there already. */
export async function beginChannels(
  beginning: Beginning,
  channels: readonly ReplayChannel[],
  source: ReplaySource,
): Promise<void> {
  const byMinutes = needMinutes(channels);
  for (const channel of channels)
    channel.begin(seqBefore(channel.interval, byMinutes, beginning), beginning.extent.epoch);
  if (!byMinutes) return;
  const { symbol, since } = beginning;
  const growing = channels.filter(({ interval }) => bucketStart(interval, since) < since);
  let start = Math.min(since, ...growing.map(({ interval }) => bucketStart(interval, since)));
  for (const rung of RUNGS) {
    const end = bucketStart(rung, since);
    if (start >= end) continue;
    const bars = await source.bars(symbol, rung, start, end, RUNG_ROWS);
    for (const bar of bars)
      for (const channel of growing)
        if (bar.openTime >= bucketStart(channel.interval, since))
          channel.add(bar, nextSeq(0, bucketEnd(rung, bar.openTime) - MINUTE_MS));
    start = end;
  }
}

/** That of the last close or gap. */
function seqBefore(interval: Interval, byMinutes: boolean, { from, since, extent: { last }, gaps }: Beginning): number {
  const closedUntil = bucketStart(interval, byMinutes ? since : from);
  const isCut = !byMinutes && last !== null && bucketEnd(interval, bucketStart(interval, last)) <= from;
  const closed = nextSeq(0, isCut ? last : closedUntil - MINUTE_MS);
  return Math.max(closed, ...gaps.filter((gap) => gap.to > closedUntil).map(seqOf));
}

export function tracksOf(
  beginning: Beginning,
  channels: readonly ReplayChannel[],
  source: ReplaySource,
  count: number,
): Track[] {
  const { symbol, from, to, extent, gaps } = beginning;
  const pageRows = Math.max(LEAST_ROWS, Math.min(MOST_ROWS, Math.floor(ROWS / count)));
  const seq = Math.max(nextSeq(0, beginning.since - MINUTE_MS), ...gaps.map(seqOf));
  const shared = { symbol, from, to: Math.min(to, extent.end), epoch: extent.epoch, seq, source, pageRows };
  const track = (base: Interval, own: readonly ReplayChannel[]): Track =>
    new Track({ ...shared, base, channels: own, covered: coveredAt(base, beginning, own) });
  return needMinutes(channels)
    ? [track('1m', channels)]
    : channels.map((channel) => track(channel.interval, [channel]));
}

/** Where what has been told ends: with the last candle or gap, or where nothing was, with what a client that resumes knows. */
function coveredAt(
  base: Interval,
  { from, extent: { last }, gaps }: Beginning,
  channels: readonly ReplayChannel[],
): number {
  const known = channels.flatMap(({ request: { position } }) =>
    position === null ? [] : [seqMinute(position.seq) + MINUTE_MS],
  );
  const start = last === null ? Math.min(from, ...(known.length > 0 ? [Math.max(...known)] : [])) : last + MINUTE_MS;
  const end = last === null ? bucketStart(base, start) : bucketEnd(base, bucketStart(base, last));
  const covered = Math.min(bucketStart(base, from), end);
  return [...gaps].sort((a, b) => timeOf(a) - timeOf(b)).reduce((until, gap) => coveredWith(gap, base, until), covered);
}
