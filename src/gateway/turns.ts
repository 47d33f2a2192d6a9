/** Answers from the store put together before the loop gets to do something else. */
const ANSWERS_A_TURN = 16;

/**
 * Thousands may wait for the same read of the store: when it is there they are not all answered in one go, which would
 * keep the loop from everybody else, but a few a turn.
 */
export class Turns {
  #waiting: (() => void)[] = [];
  #scheduled = false;

  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#run());
  }

  #run(): void {
    this.#scheduled = false;
    const now = this.#waiting.slice(0, ANSWERS_A_TURN);
    this.#waiting = this.#waiting.slice(now.length);
    for (const resolve of now) resolve();
    if (this.#waiting.length > 0) this.#schedule();
  }
}
