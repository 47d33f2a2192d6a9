import type { Candle, Gap } from '../market/candle.js';
import { bucketEnd, bucketStart, type Interval } from '../market/interval.js';

/** Index of the first candle with openTime >= the one given (the length, when there is none). Candles ascend. */
export function findByOpenTime(candles: readonly Candle[], openTime: number): number {
  let low = 0;
  let high = candles.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((candles[middle]?.openTime ?? 0) < openTime) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Both ascending by openTime; where both have a candle, that of `memory` stays: it knows everything published. */
export function mergeCandles(stored: readonly Candle[], memory: readonly Candle[]): Candle[] {
  const merged: Candle[] = [];
  let next = 0;
  for (const candle of memory) {
    for (let row = stored[next]; row && row.openTime <= candle.openTime; row = stored[++next])
      if (row.openTime < candle.openTime) merged.push(row);
    merged.push(candle);
  }
  return merged.concat(stored.slice(next));
}

/** By seq, each once. */
export function mergeGaps(first: readonly Gap[], second: readonly Gap[]): Gap[] {
  const bySeq = new Map<number, Gap>();
  for (const gap of first) bySeq.set(gap.seq, gap);
  for (const gap of second) bySeq.set(gap.seq, gap);
  return [...bySeq.values()].sort((a, b) => a.seq - b.seq);
}

/** Whether no candle is missing between any two, but for buckets that a gap touches. */
export function isContinuous(interval: Interval, candles: readonly Candle[], gaps: readonly Gap[]): boolean {
  for (let i = 1; i < candles.length; i++) {
    const [before, after] = [candles[i - 1], candles[i]];
    if (before && after && !isExplained(interval, bucketEnd(interval, before.openTime), after.openTime, gaps))
      return false;
  }
  return true;
}

function isExplained(interval: Interval, from: number, to: number, gaps: readonly Gap[]): boolean {
  let time = from;
  while (time < to) {
    const end = bucketEnd(interval, time);
    const gap = gaps.find((g) => g.from < end && g.to > time);
    if (!gap) return false;
    time = Math.max(end, bucketEnd(interval, bucketStart(interval, gap.to - 1)));
  }
  return true;
}

export function maxSeq(rows: readonly { readonly seq: number }[], floor: number): number {
  return rows.reduce((max, row) => Math.max(max, row.seq), floor);
}
