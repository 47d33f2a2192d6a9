import type { Clock } from '../../kit/clock.js';

/** Pieces of replays done before the loop is left alone for a moment, and for how long. */
const PIECES = 4;
const PAUSE_MS = 1;

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
    if (++this.#done % PIECES === 0) this.clock.after(PAUSE_MS, () => this.#run());
    else setImmediate(() => this.#run());
  }

  #run(): void {
    this.#scheduled = false;
    this.#waiting.shift()?.();
    this.#schedule();
  }
}
