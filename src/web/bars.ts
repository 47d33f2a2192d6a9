import { bucketBack, bucketEnd, type Interval } from '../market/interval.js';
import type { WireCandle, WireGap } from '../wire/messages.js';

/** How the chart follows a change of the bars: by one point at the end, one corrected point, or anew. */
export type Change = 'end' | 'corrected' | 'all';

/** The candles of one (symbol, interval) as the page holds them: ascending by open time, one for each. */
export class Bars {
  readonly interval: Interval;
  #candles: WireCandle[] = [];
  #gaps: WireGap[] = [];

  constructor(interval: Interval) {
    this.interval = interval;
  }

  get candles(): readonly WireCandle[] {
    return this.#candles;
  }

  get gaps(): readonly WireGap[] {
    return this.#gaps;
  }

  get first(): WireCandle | undefined {
    return this.#candles[0];
  }

  get last(): WireCandle | undefined {
    return this.#candles.at(-1);
  }

  replace(candles: readonly WireCandle[], gaps: readonly WireGap[]): void {
    this.#candles = [...candles];
    this.#gaps = [...gaps];
  }

  /** What was missed while away: newer versions and newer candles. */
  merge(candles: readonly WireCandle[], gaps: readonly WireGap[]): void {
    for (const candle of candles) this.upsert(candle);
    for (const gap of gaps) this.addGap(gap);
  }

  prepend(older: readonly WireCandle[]): void {
    const first = this.first;
    this.#candles = [...(first === undefined ? older : older.filter((candle) => candle.t < first.t)), ...this.#candles];
  }

  addGap(gap: WireGap): void {
    if (!this.#gaps.some((known) => known.from === gap.from && known.to === gap.to)) this.#gaps.push(gap);
  }

  upsert(candle: WireCandle): Change {
    const last = this.last;
    if (last === undefined || candle.t > last.t) return this.#append(candle, last);
    const index = this.#indexOf(candle.t);
    const held = this.#candles[index];
    if (held?.t !== candle.t) {
      this.#candles.splice(index, 0, candle);
      return 'all';
    }
    if (!held.x || candle.x) this.#candles[index] = candle;
    return index === this.#candles.length - 1 ? 'end' : 'corrected';
  }

  /** The gap that holds `time`. */
  gapAt(time: number): WireGap | undefined {
    return this.#gaps.find((gap) => gap.from < bucketEnd(this.interval, time) && time < gap.to);
  }

  /** The candle that opens at `time`, and the one before it. */
  at(time: number): { candle: WireCandle; before: WireCandle | undefined } | null {
    const index = this.#indexOf(time);
    const candle = this.#candles[index];
    return candle?.t === time ? { candle, before: this.#candles[index - 1] } : null;
  }

  #append(candle: WireCandle, last: WireCandle | undefined): Change {
    this.#candles.push(candle);
    return last === undefined || bucketEnd(this.interval, last.t) !== candle.t ? 'all' : 'end';
  }

  /** Index of the first candle that opens at `time` or later. */
  #indexOf(time: number): number {
    let low = 0;
    let high = this.#candles.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#candles[middle]?.t ?? 0) < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** At most this many empty places stand for one hole: a feed that was away for a week must not push the rest out of sight. */
const HOLE_PLACES = 240;

/** Open times of the places without a candle between two neighbours. */
export function holeTimes(interval: Interval, before: number, after: number): number[] {
  const times: number[] = [];
  for (let t = bucketEnd(interval, before); t < after; t = bucketEnd(interval, t)) {
    times.push(t);
    if (times.length > HOLE_PLACES) return closing(interval, after);
  }
  return times;
}

function closing(interval: Interval, after: number): number[] {
  return Array.from({ length: HOLE_PLACES }, (_, i) => bucketBack(interval, after, HOLE_PLACES - i));
}
