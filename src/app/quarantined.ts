import type { Feed } from '../feed/feed.js';

/** Trades that feeds did not fold, counted by the feed's source and the reason; feeds come and go with their partitions. */
export class Quarantined {
  readonly #counts = new Map<string, Map<string, number>>();

  constructor(before?: Quarantined) {
    for (const [source, reason, count] of before?.entries() ?? []) this.#count(source, reason, count);
  }

  add(feeds: Iterable<Feed>): void {
    for (const { source, quarantine } of feeds)
      for (const [reason, count] of quarantine?.counts ?? []) this.#count(source, reason, count);
  }

  entries(): (readonly [source: string, reason: string, count: number])[] {
    return [...this.#counts].flatMap(([source, reasons]) =>
      [...reasons].map(([reason, count]) => [source, reason, count] as const),
    );
  }

  #count(source: string, reason: string, count: number): void {
    const reasons = this.#counts.get(source) ?? new Map<string, number>();
    reasons.set(reason, (reasons.get(reason) ?? 0) + count);
    this.#counts.set(source, reasons);
  }
}
