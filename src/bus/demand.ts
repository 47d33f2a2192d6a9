import type { Interval } from '../market/interval.js';

/** A set of (symbol, interval) pairs; nested so that a lookup builds no string. */
export class Demand {
  readonly #bySymbol = new Map<string, Set<Interval>>();

  add(symbol: string, interval: Interval): void {
    const intervals = this.#bySymbol.get(symbol);
    if (intervals) intervals.add(interval);
    else this.#bySymbol.set(symbol, new Set([interval]));
  }

  remove(symbol: string, interval: Interval): void {
    const intervals = this.#bySymbol.get(symbol);
    if (intervals?.delete(interval) && intervals.size === 0) this.#bySymbol.delete(symbol);
  }

  has(symbol: string, interval: Interval): boolean {
    return this.#bySymbol.get(symbol)?.has(interval) ?? false;
  }
}
