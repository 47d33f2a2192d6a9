import cluster from 'node:cluster';
import type { Clock } from '../kit/clock.js';
import { UserError } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import { STOP_DEADLINE_MS } from '../ops/lifecycle.js';
import { WorkerSlot } from './worker-slot.js';
import { WorkersMetrics } from './workers-metrics.js';

/** Workers keep the deadline themselves; one that does not is killed this much later. */
const KILL_AFTER_MS = STOP_DEADLINE_MS + 250;

export interface WorkersOptions {
  readonly count: number;
  /** Free; not 0. */
  readonly port: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** Several processes of this program on one port, kept running by the one that starts them. */
export class Workers {
  readonly #slots: readonly WorkerSlot[];
  readonly #metrics: WorkersMetrics;
  readonly #clock: Clock;
  readonly #notReady: Set<number>;
  #ready: () => void = () => {};
  #mistaken: (error: UserError) => void = () => {};
  #stopped: Promise<boolean> | null = null;

  constructor({ count, port, clock, log }: WorkersOptions) {
    this.#clock = clock;
    // Metrics hold NaN, which JSON does not.
    cluster.setupPrimary({ serialization: 'advanced' });
    const env = { PORT: String(port), PORT_FILE: '' };
    this.#slots = Array.from({ length: count }, (_, index) => this.#slot(index + 1, env, log));
    this.#notReady = new Set(this.#slots.map(({ number }) => number));
    this.#metrics = new WorkersMetrics(this.#slots);
  }

  /**
   * Resolves when all are ready. The first goes ahead: it brings the schema up to date, and a mistake is found once.
   * @throws UserError of a worker that cannot start
   */
  async start(): Promise<void> {
    try {
      await new Promise<void>((resolve, reject) => {
        this.#ready = resolve;
        this.#mistaken = reject;
        this.#slots[0]?.start();
      });
    } catch (error) {
      await this.stop('SIGTERM');
      throw error;
    }
  }

  /** Passes the signal on and waits. @returns whether every worker ended in order and in time. */
  stop(signal: NodeJS.Signals): Promise<boolean> {
    this.#stopped ??= this.#stopAll(signal);
    return this.#stopped;
  }

  kill(): void {
    for (const slot of this.#slots) slot.kill();
  }

  async #stopAll(signal: NodeJS.Signals): Promise<boolean> {
    const forget = this.#clock.after(KILL_AFTER_MS, () => this.kill());
    const clean = await Promise.all(this.#slots.map((slot) => slot.stop(signal)));
    forget();
    return !clean.includes(false);
  }

  #slot(number: number, env: Readonly<Record<string, string>>, log: Log): WorkerSlot {
    return new WorkerSlot({
      number,
      env,
      clock: this.#clock,
      log,
      onReady: () => this.#isReady(number),
      onMistake: (text) => this.#mistaken(new UserError(text)),
      page: () => this.#metrics.page(),
      onEnded: (last) => this.#metrics.ended(last),
    });
  }

  #isReady(number: number): void {
    if (!this.#notReady.delete(number) || this.#stopped !== null) return;
    if (number === 1) for (const slot of this.#slots.slice(1)) slot.start();
    if (this.#notReady.size === 0) this.#ready();
  }
}
