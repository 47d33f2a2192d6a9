import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../../src/kit/clock.js';

interface Timer {
  due: number;
  readonly periodMs: number | null;
  readonly run: () => void;
}

/** Turns of the loop without anything under way, after which nothing more is to come. */
const QUIET_TURNS = 3;

/**
 * A clock that moves from timer to timer, and only when `isQuiet` says that everything sent over real sockets has arrived: so that
 * a script takes the same course however slow the machine is.
 */
export class VirtualClock implements Clock {
  readonly #timers = new Set<Timer>();
  #time: number;

  constructor(
    startMs: number,
    private readonly isQuiet: () => boolean,
  ) {
    this.#time = startMs;
  }

  now(): number {
    return this.#time;
  }

  every(periodMs: number, run: () => void): () => void {
    return this.#add({ due: this.#time + periodMs, periodMs, run });
  }

  after(delayMs: number, run: () => void): () => void {
    return this.#add({ due: this.#time + Math.max(0, delayMs), periodMs: null, run });
  }

  async run(toMs: number, afterEach: () => void = () => {}): Promise<void> {
    for (;;) {
      await this.quiet();
      afterEach();
      let next: Timer | null = null;
      for (const timer of this.#timers) if (next === null || timer.due < next.due) next = timer;
      if (next === null || next.due > toMs) break;
      this.#time = Math.max(this.#time, next.due);
      if (next.periodMs === null) this.#timers.delete(next);
      else next.due += next.periodMs;
      next.run();
    }
    this.#time = toMs;
  }

  async quiet(): Promise<void> {
    for (let turns = 0; turns < QUIET_TURNS; ) {
      await nextTurn();
      turns = this.isQuiet() ? turns + 1 : 0;
    }
  }

  #add(timer: Timer): () => void {
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }
}
