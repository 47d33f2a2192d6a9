import type { Clock } from '../kit/clock.js';

/** Work shorter than this shows nothing. */
const QUIET_MS = 1000;
const PERIOD_MS = 1000;

/** Shows one piece of long work; `done` from 0 to 1 where it is known. */
export interface Progress {
  update(done: number | null): void;
  finish(): void;
}

/** Lines on a stream: rewritten in place on a terminal, one a second elsewhere. */
export class ProgressLines {
  readonly #clock: Clock;
  readonly #write: (text: string) => void;
  readonly #terminal: boolean;

  constructor(clock: Clock, write: (text: string) => void, terminal: boolean) {
    this.#clock = clock;
    this.#write = write;
    this.#terminal = terminal;
  }

  begin(what: string): Progress {
    const started = this.#clock.now();
    let done: number | null = null;
    let shown = false;
    const stop = this.#clock.every(PERIOD_MS, () => {
      if (this.#clock.now() - started < QUIET_MS) return;
      shown = true;
      const share = done === null ? '' : ` ${Math.floor(done * 100)} %`;
      this.#write(this.#terminal ? `\r\u001b[K${what} …${share}` : `${what} …${share}\n`);
    });
    return {
      update: (share) => {
        done = share;
      },
      finish: () => {
        stop();
        const seconds = ((this.#clock.now() - started) / 1000).toFixed(1);
        if (shown) this.#write(`${this.#terminal ? '\r\u001b[K' : ''}${what}: done in ${seconds} s\n`);
      },
    };
  }

  /** Runs `work` under a progress line. */
  async during<T>(what: string, work: (progress: Progress) => Promise<T>): Promise<T> {
    const progress = this.begin(what);
    try {
      return await work(progress);
    } finally {
      progress.finish();
    }
  }
}
