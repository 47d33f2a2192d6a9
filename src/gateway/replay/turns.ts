import type { Clock } from '../../kit/clock.js';

/** Pieces of replays done before the loop is left alone, and for how long: one is to be fast, several are to wake it seldom. */
const ONE = { pieces: 16, pauseMs: 1 };
const SEVERAL = { pieces: 8, pauseMs: 4 };

/**
 * However many replays there are, one piece of one of them is done in a turn of the loop, each in its turn, and they keep no
 * processor busy: what is live finds the loop asleep more often than not.
 */
export class ReplayTurns {
  readonly #waiting: (() => void)[] = [];
  #scheduled = false;
  #done = 0;

  constructor(private readonly clock: Clock) {}

  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.length === 0) return;
    this.#scheduled = true;
    const { pieces, pauseMs } = this.#waiting.length > 1 ? SEVERAL : ONE;
    if (++this.#done < pieces) setImmediate(() => this.#run());
    else {
      this.#done = 0;
      this.clock.after(pauseMs, () => this.#run());
    }
  }

  #run(): void {
    this.#scheduled = false;
    this.#waiting.shift()?.();
    this.#schedule();
  }
}
