import type { Gap } from '../../market/candle.js';
import { bucketStart, type Interval, MINUTE_MS } from '../../market/interval.js';
import { nextSeq } from '../../market/position.js';
import type { ReplayChannel } from './channel.js';
import type { Extent, ReplaySource } from './source.js';
import { Track } from './track.js';

/** Candles of a replay that are in memory at a time, twice, over all its tracks; of one no more than `MOST_ROWS`. */
const ROWS = 8_192;
const MOST_ROWS = 512;
const LEAST_ROWS = 16;
/** Shortest last: what an open candle is begun from. A bucket has no more of each than the next longer one is long. */
const RUNGS: readonly Interval[] = ['1d', '1h', '1m'];
const RUNG_ROWS = 64;

/** What is played of one symbol. `gaps`: those that touch what is open when it begins. */
export interface Beginning {
  readonly symbol: string;
  readonly from: number;
  readonly to: number;
  readonly extent: Extent;
  readonly gaps: readonly Gap[];
}

/** The minutes of a symbol for all its channels, or where only closed candles of longer intervals are wanted, those as they are stored. */
export function tracksOf(
  { symbol, from, to, extent, gaps }: Beginning,
  channels: readonly ReplayChannel[],
  source: ReplaySource,
  count: number,
): Track[] {
  const pageRows = Math.max(LEAST_ROWS, Math.min(MOST_ROWS, Math.floor(ROWS / count)));
  const seq = Math.max(nextSeq(0, from - MINUTE_MS), ...gaps.map((gap) => gap.seq));
  const shared = { symbol, from, to: Math.min(to, extent.end), epoch: extent.epoch, seq, source, pageRows };
  if (channels.some(needsMinutes)) return [new Track({ ...shared, base: '1m', channels })];
  return channels.map((channel) => new Track({ ...shared, base: channel.interval, channels: [channel] }));
}

function needsMinutes({ interval, closedOnly }: ReplayChannel): boolean {
  return interval === '1m' || !closedOnly;
}

/** Brings open candles to where the replay begins. */
export async function beginOpen(
  { symbol, from }: Beginning,
  channels: readonly ReplayChannel[],
  source: ReplaySource,
): Promise<void> {
  if (!channels.some(needsMinutes)) return;
  const growing = channels.filter(({ interval }) => bucketStart(interval, from) < from);
  let start = Math.min(from, ...growing.map(({ interval }) => bucketStart(interval, from)));
  for (const rung of RUNGS) {
    const end = bucketStart(rung, from);
    if (start >= end) continue;
    const bars = await source.bars(symbol, rung, start, end, RUNG_ROWS);
    for (const bar of bars)
      for (const channel of growing)
        if (bar.openTime >= bucketStart(channel.interval, from)) channel.add(bar, nextSeq(0, bar.openTime));
    start = end;
  }
}
