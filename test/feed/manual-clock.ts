import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../src/kit/clock.js';

interface Timer {
  due: number;
  readonly periodMs: number | null;
  readonly run: () => void;
}

/** A clock that stands still until it is told to move; due timers run on the way, in order. */
export class ManualClock implements Clock {
  readonly #timers = new Set<Timer>();

  constructor(private time: number) {}

  now(): number {
    return this.time;
  }

  every(periodMs: number, run: () => void): () => void {
    return this.#add({ due: this.time + periodMs, periodMs, run });
  }

  after(delayMs: number, run: () => void): () => void {
    return this.#add({ due: this.time + delayMs, periodMs: null, run });
  }

  get timers(): number {
    return this.#timers.size;
  }

  /** Jumps, as after a machine slept: every due timer runs once, late. */
  async jump(toMs: number): Promise<void> {
    this.time = toMs;
    for (const timer of [...this.#timers]) if (timer.due <= toMs) this.#fire(timer);
    await settle();
  }

  /** Moves through every timer that is due on the way. */
  async run(toMs: number): Promise<void> {
    for (;;) {
      await settle();
      const next = [...this.#timers].filter((timer) => timer.due <= toMs).sort((a, b) => a.due - b.due)[0];
      if (next === undefined) break;
      this.time = Math.max(this.time, next.due);
      this.#fire(next);
    }
    this.time = toMs;
    await settle();
  }

  #fire(timer: Timer): void {
    if (timer.periodMs === null) this.#timers.delete(timer);
    else timer.due = this.time + timer.periodMs;
    timer.run();
  }

  #add(timer: Timer): () => void {
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }
}

/** Lets everything run that is ready to. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await nextTurn();
}

/** Waits for real input and output to bring something about. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await nextTurn();
}
