import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../kit/clock.js';
import type { Work } from './evaluator.js';

/** Work may go on this long before everything else in the process gets its turn. */
const SLICE_MS = 5;

/** Runs several pieces of work side by side, a slice in each turn of the loop for all of them together. */
export class Slices {
  readonly #clock: Clock;
  readonly #waiting: (() => boolean)[] = [];
  #began = 0;
  #isRunning = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  run<T>(work: Work<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => this.#goOn(work, resolve, reject));
      if (!this.#isRunning) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (this.#isOver()) {
        await nextTurn();
        this.#began = this.#clock.now();
      }
      if (!next()) this.#waiting.push(next);
    }
    this.#isRunning = false;
  }

  /** @returns whether it has ended. */
  #goOn<T>(work: Work<T>, resolve: (value: T) => void, reject: (error: unknown) => void): boolean {
    try {
      do {
        const { done, value } = work.next();
        if (done !== true) continue;
        resolve(value);
        return true;
      } while (!this.#isOver());
      return false;
    } catch (error) {
      reject(error);
      return true;
    }
  }

  #isOver(): boolean {
    return this.#clock.now() - this.#began >= SLICE_MS;
  }
}
