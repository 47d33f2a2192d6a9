import type { Log } from '../kit/log.js';

/** How many faults are logged in full before only counts are. */
const LOGGED_IN_FULL = 20;
const SUMMARY_EVERY_MS = 60_000;

/** Counts by reason what was not folded, and logs it within bounds. */
export class Quarantine {
  readonly counts = new Map<string, number>();
  #total = 0;
  #summarised = 0;
  #summaryTime = 0;

  constructor(
    private readonly log: Log,
    private readonly source: string,
  ) {}

  get total(): number {
    return this.#total;
  }

  /** @param where e.g. `{ line: 17 }`. */
  add(reason: string, message: string, where: object, nowMs: number): void {
    this.counts.set(reason, (this.counts.get(reason) ?? 0) + 1);
    this.#total++;
    if (this.#total <= LOGGED_IN_FULL) {
      this.log.warn({ source: this.source, reason, ...where }, `quarantined: ${message}`);
      this.#summarised = this.#total;
      this.#summaryTime = nowMs;
    } else if (nowMs - this.#summaryTime >= SUMMARY_EVERY_MS) {
      this.#summaryTime = nowMs;
      this.summarise();
    }
  }

  /** Logs the counts where there is something that was not logged yet. */
  summarise(): void {
    if (this.#total === this.#summarised) return;
    this.#summarised = this.#total;
    this.log.warn(
      { source: this.source, total: this.#total, byReason: Object.fromEntries(this.counts) },
      'quarantined trades so far; only the first ones are logged in full',
    );
  }
}
