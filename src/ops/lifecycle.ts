import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { Service } from '../kit/service.js';

/** Everything is stopped within this, or cut. */
export const STOP_DEADLINE_MS = 4500;
/** npm and a terminal both pass Ctrl-C on: the echo of one signal is not a second one. */
const ECHO_MS = 700;

/** Starts services in order, stops them in reverse, once; keeps the one deadline. */
export class Lifecycle {
  readonly #started: Service[] = [];
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #abort = new AbortController();
  #stopping: Promise<boolean> | null = null;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Aborted when stopping begins. */
  get stopping(): AbortSignal {
    return this.#abort.signal;
  }

  async start<T extends Service>(service: T): Promise<T> {
    await service.start();
    this.#started.push(service);
    return service;
  }

  /** @returns true when every service stopped by itself within the deadline. */
  stop(): Promise<boolean> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #stopAll(): Promise<boolean> {
    this.#abort.abort();
    const deadline = new Promise<false>((resolve) => {
      this.#clock.after(STOP_DEADLINE_MS, () => resolve(false));
    });
    return Promise.race([this.#stopInReverse(), deadline]);
  }

  async #stopInReverse(): Promise<boolean> {
    let clean = true;
    for (const service of this.#started.reverse()) {
      try {
        await service.stop();
        this.#log.debug({ service: service.name }, 'stopped');
      } catch (error) {
        clean = false;
        this.#log.error({ err: error, service: service.name }, 'did not stop cleanly');
      }
    }
    return clean;
  }
}

/** Calls `stop` on the first SIGINT or SIGTERM, and `force` on a later one that is not its echo. */
export function onSignals(clock: Clock, stop: (signal: NodeJS.Signals) => void, force: () => void): void {
  let first: number | null = null;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      const now = clock.now();
      if (first === null) {
        first = now;
        stop(signal);
      } else if (now - first > ECHO_MS) force();
    });
  }
}
