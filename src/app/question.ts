import type { Clock } from '../kit/clock.js';

/** One question at a time to another process; whoever asks meanwhile shares the answer. */
export class Question<T> {
  readonly #waiting = new Set<(answer: T | null) => void>();
  readonly #send: () => void;
  readonly #deadlineMs: number;
  readonly #clock: Clock;
  #asked = false;

  constructor(send: () => void, deadlineMs: number, clock: Clock) {
    this.#send = send;
    this.#deadlineMs = deadlineMs;
    this.#clock = clock;
  }

  /** null: no answer in time. */
  ask(): Promise<T | null> {
    return new Promise((resolve) => {
      const settle = (answer: T | null): void => {
        forget();
        this.#waiting.delete(settle);
        resolve(answer);
      };
      const forget = this.#clock.after(this.#deadlineMs, () => settle(null));
      this.#waiting.add(settle);
      if (this.#asked) return;
      this.#asked = true;
      this.#send();
    });
  }

  /** The answer has come, or with null never will. */
  answered(answer: T | null): void {
    this.#asked = false;
    for (const settle of [...this.#waiting]) settle(answer);
  }
}
