import type { Bar } from '../indicators/bar.js';

/** Closed candles of one (symbol, interval), ascending, without the oldest. */
export class Window {
  #bars: Bar[] = [];

  reset(bars: readonly Bar[]): void {
    this.#bars = [...bars];
  }

  get bars(): readonly Bar[] {
    return this.#bars;
  }

  get last(): Bar | undefined {
    return this.#bars.at(-1);
  }

  /** The place of the first bar that opened at or after a time. */
  placeOf(openTime: number): number {
    let from = 0;
    let to = this.#bars.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((this.#bars[middle]?.openTime ?? Number.POSITIVE_INFINITY) < openTime) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  readonly barAt = (openTime: number): Bar | null => {
    const bar = this.#bars[this.placeOf(openTime)];
    return bar?.openTime === openTime ? bar : null;
  };

  /** Appends, replaces, or puts in between. */
  put(bar: Bar): void {
    const place = this.placeOf(bar.openTime);
    this.#bars.splice(place, this.#bars[place]?.openTime === bar.openTime ? 1 : 0, bar);
  }

  /** Forgets all but the latest `keep`, once there are a quarter more. @returns whether it forgot any. */
  trim(keep: number): boolean {
    if (this.#bars.length < keep * 1.25 + 16) return false;
    this.#bars = this.#bars.slice(-keep);
    return true;
  }
}
