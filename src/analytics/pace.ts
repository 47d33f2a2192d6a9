import type { Clock } from '../kit/clock.js';

const REST_MIN_MS = 20;
const REST_MAX_MS = 10_000;

/** Keeps background work to a share of the time, and ends its pauses when it is to stop. */
export class Pace {
  readonly #clock: Clock;
  readonly #share: number;
  readonly #ended = new Set<() => void>();
  #since: number;
  #stopped = false;

  /** @param share of the time that may be worked, in (0, 1] */
  constructor(clock: Clock, share: number) {
    this.#clock = clock;
    this.#share = share;
    this.#since = clock.now();
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Between two pieces of work: rests in proportion to the last one. @throws PaceStopped */
  async rest(): Promise<void> {
    const workedMs = this.#clock.now() - this.#since;
    await this.sleep(Math.min(REST_MAX_MS, Math.max(REST_MIN_MS, workedMs * (1 / this.#share - 1))));
    this.#since = this.#clock.now();
  }

  /** @throws PaceStopped */
  async sleep(ms: number): Promise<void> {
    if (this.#stopped) throw new PaceStopped();
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.after(ms, () => done());
      const done = (): void => {
        cancel();
        this.#ended.delete(done);
        resolve();
      };
      this.#ended.add(done);
    });
    if (this.#stopped) throw new PaceStopped();
  }

  stop(): void {
    this.#stopped = true;
    for (const end of [...this.#ended]) end();
  }
}

/** Thrown through the work that a service was in the middle of when it was stopped. */
export class PaceStopped extends Error {
  override readonly name = 'PaceStopped';
  constructor() {
    super('stopped');
  }
}
