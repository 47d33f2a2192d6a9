/**
 * Questions that come while one is under way are asked together in the next: however many there are, one at a time is
 * under way, and none waits for more than that one and its own.
 */
export class Batcher<Question, Answer> {
  readonly #ask: (questions: readonly Question[]) => Promise<readonly Answer[]>;
  readonly #most: number;
  #waiting: { question: Question; done: (answer: Answer) => void; failed: (error: unknown) => void }[] = [];
  #running = false;

  /** `ask` answers in the order of the questions; gets `most` at most. */
  constructor(most: number, ask: (questions: readonly Question[]) => Promise<readonly Answer[]>) {
    this.#most = most;
    this.#ask = ask;
  }

  ask(question: Question): Promise<Answer> {
    return new Promise((done, failed) => {
      this.#waiting.push({ question, done, failed });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#waiting.length > 0) {
      const asked = this.#waiting.slice(0, this.#most);
      this.#waiting = this.#waiting.slice(asked.length);
      try {
        const answers = await this.#ask(asked.map(({ question }) => question));
        for (const [i, { done }] of asked.entries()) done(answers[i] as Answer);
      } catch (error) {
        for (const { failed } of asked) failed(error);
      }
    }
    this.#running = false;
  }
}
