import type { Clock } from '../../kit/clock.js';

/** Further behind than this (the client did not read, the store did not answer), the clock stands still instead of rushing after. */
const LATE_MS = 1000;
/** Timers are set no further ahead. */
const LONGEST_WAIT_MS = 60_000;

/** The clock of a replay: `speed` virtual seconds a second, 0 = as events come. */
export class Pace {
  #wallMs: number;
  #virtualMs: number;
  #lastMs: number;

  constructor(
    readonly speed: number,
    fromMs: number,
    readonly clock: Clock,
  ) {
    this.#wallMs = clock.now();
    this.#virtualMs = fromMs;
    this.#lastMs = fromMs;
  }

  /** How long the event has to wait, ms; 0: it is due. */
  waitMs(eventMs: number): number {
    if (this.speed === 0) return 0;
    const waitMs = this.#wallMs + (eventMs - this.#virtualMs) / this.speed - this.clock.now();
    if (waitMs < -LATE_MS) this.#restart(eventMs);
    // A wall clock that was put back holds nothing up for longer than the way from the event before.
    const most = Math.min(LONGEST_WAIT_MS, (eventMs - this.#lastMs) / this.speed);
    return Math.max(0, Math.min(Math.ceil(waitMs), Math.ceil(most)));
  }

  played(eventMs: number): void {
    this.#lastMs = eventMs;
  }

  /** How far it has come, no further than the next event, epoch ms. */
  time(nextMs: number): number {
    const now = this.#virtualMs + (this.clock.now() - this.#wallMs) * this.speed;
    return Math.floor(Math.min(nextMs, Math.max(this.#lastMs, this.speed === 0 ? 0 : now)));
  }

  #restart(eventMs: number): void {
    this.#wallMs = this.clock.now();
    this.#virtualMs = eventMs;
  }
}
