import { fromScaled, toScaled } from '../../kit/scaled.js';
import type { Bar } from '../../market/candle.js';
import { bucketEnd, bucketStart, type Interval } from '../../market/interval.js';

const VOLUME_DECIMALS = 8;

/** A longer candle as it grows from shorter ones, which come in order. */
export class Bucket {
  readonly openTime: number;
  /** Exclusive. */
  readonly end: number;
  /** That of the newest candle in it. */
  seq = 0;
  #bar: Omit<Bar, 'openTime' | 'volume' | 'closed'>;
  #volume = 0n;

  constructor(interval: Interval, first: Bar) {
    this.openTime = bucketStart(interval, first.openTime);
    this.end = bucketEnd(interval, this.openTime);
    this.#bar = { ...first, trades: 0, revision: 0 };
  }

  add(bar: Bar, seq: number): void {
    const own = this.#bar;
    this.#volume += toScaled(bar.volume);
    this.seq = seq;
    this.#bar = {
      open: own.open,
      high: isLess(own.high, bar.high) ? bar.high : own.high,
      low: isLess(bar.low, own.low) ? bar.low : own.low,
      close: bar.close,
      trades: own.trades + bar.trades,
      revision: own.revision + bar.revision,
    };
  }

  bar(closed: boolean): Bar {
    const { open, high, low, close, trades, revision } = this.#bar;
    const volume = fromScaled(this.#volume, VOLUME_DECIMALS);
    return { openTime: this.openTime, open, high, low, close, volume, trades, closed, revision };
  }
}

/** Of decimals that are not negative, without leading zeros, with as many digits after the point. */
function isLess(a: string, b: string): boolean {
  return a.length === b.length ? a < b : a.length < b.length;
}
