import type { Trade } from '../../market/trade.js';

/** Some ten seconds of the busiest market; what does not fit comes over REST. */
const MAX_PENDING = 50_000;

/** Trades that came ahead of one that is missing, by id. */
export class Pending {
  readonly #trades = new Map<number, Trade>();

  add(trade: Trade): void {
    if (this.#trades.size < MAX_PENDING) this.#trades.set(trade.id, trade);
  }

  has(id: number): boolean {
    return this.#trades.has(id);
  }

  take(id: number): Trade | undefined {
    const trade = this.#trades.get(id);
    if (trade !== undefined) this.#trades.delete(id);
    return trade;
  }

  dropBelow(id: number): void {
    for (const known of this.#trades.keys()) if (known < id) this.#trades.delete(known);
  }

  clear(): number {
    const count = this.#trades.size;
    this.#trades.clear();
    return count;
  }

  get earliestTime(): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (const { time } of this.#trades.values()) if (time < earliest) earliest = time;
    return earliest;
  }

  /** The trades around `id` whose ids follow each other without a hole, ascending. */
  run(id: number): Trade[] {
    const run: Trade[] = [];
    let first = id;
    while (this.#trades.has(first - 1)) first--;
    for (let at = first; ; at++) {
      const trade = this.#trades.get(at);
      if (trade === undefined) return run;
      run.push(trade);
    }
  }
}
