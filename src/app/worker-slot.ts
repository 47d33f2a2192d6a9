import cluster, { type Worker } from 'node:cluster';
import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { Snapshot } from '../ops/snapshot.js';
import { Question } from './question.js';
import type { FromWorker, ToWorker } from './worker.js';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
/** A worker that lived this long has not failed to start. */
const STEADY_MS = 30_000;
const SNAPSHOT_DEADLINE_MS = 1000;

export interface SlotOptions {
  /** From 1; stays the same over restarts. */
  readonly number: number;
  /** Added to the environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly log: Log;
  onReady(): void;
  /** It cannot start, and would not the next time. */
  onMistake(text: string): void;
  /** The page of all workers is asked for. */
  page(): Promise<string>;
  /** It has ended; `last` is what it counted when it was last asked. */
  onEnded(last: Snapshot | null): void;
}

/** The place of one worker: a process that is started again whenever it ends. */
export class WorkerSlot {
  readonly number: number;
  restarts = 0;
  /** What its process counted when it was last asked. */
  last: Snapshot | null = null;
  readonly #options: SlotOptions;
  readonly #question: Question<Snapshot>;
  #worker: Worker | null = null;
  #ready = false;
  #everReady = false;
  #mistake: string | null = null;
  #startedAt = 0;
  #pauseMs = FIRST_PAUSE_MS;
  #cancelRestart: () => void = () => {};
  #stopping: { signal: NodeJS.Signals; ended: (clean: boolean) => void } | null = null;

  constructor(options: SlotOptions) {
    this.number = options.number;
    this.#options = options;
    this.#question = new Question(() => this.#tell({ kind: 'snapshot?' }), SNAPSHOT_DEADLINE_MS, options.clock);
  }

  start(): void {
    this.#startedAt = this.#options.clock.now();
    try {
      this.#watch(cluster.fork(this.#options.env));
    } catch (error) {
      this.#options.log.error({ err: error, worker: this.number }, 'a worker cannot be started');
      this.#startAgain(null, null);
    }
  }

  #watch(worker: Worker): void {
    this.#worker = worker;
    worker.on('message', (message: FromWorker) => this.#heard(message));
    worker.once('exit', (code, signal) => this.#ended(code, signal));
    worker.on('error', (error) => {
      this.#options.log.error({ err: error, worker: this.number }, 'a worker cannot be reached');
      // It was never started, and will not exit.
      if (worker.process.pid === undefined) this.#ended(null, null);
    });
  }

  /** null: it is not ready, or does not answer. */
  snapshot(): Promise<Snapshot | null> {
    return this.#ready ? this.#question.ask() : Promise.resolve(null);
  }

  /** Passes the signal on. @returns whether the process ended as it should; called once. */
  stop(signal: NodeJS.Signals): Promise<boolean> {
    this.#cancelRestart();
    return new Promise((resolve) => {
      this.#stopping = { signal, ended: resolve };
      if (this.#worker === null) resolve(true);
      else this.#worker.process.kill(signal);
    });
  }

  kill(): void {
    this.#worker?.process.kill('SIGKILL');
  }

  #heard(message: FromWorker): void {
    if (message.kind === 'mistake') this.#mistake = message.text;
    else if (message.kind === 'page?') void this.#sendPage();
    else if (message.kind === 'ready') {
      this.#ready = true;
      this.#everReady = true;
      this.#options.log.info({ worker: this.number, workerPid: this.#worker?.process.pid }, 'worker is ready');
      this.#options.onReady();
    } else {
      this.last = message.snapshot;
      this.#question.answered(message.snapshot);
    }
  }

  async #sendPage(): Promise<void> {
    const page = await this.#options.page().catch((error: unknown) => {
      this.#options.log.error({ err: error }, 'the metrics of the workers cannot be put together');
      return null;
    });
    this.#tell({ kind: 'page', page });
  }

  /** What a worker that is ending does not get is of no use to it. */
  #tell(message: ToWorker): void {
    if (this.#worker?.isConnected() === true) this.#worker.send(message, undefined, {}, () => {});
  }

  #ended(code: number | null, signal: NodeJS.Signals | string | null): void {
    const { onEnded, onMistake } = this.#options;
    this.#worker = null;
    const starting = !this.#ready;
    this.#ready = false;
    this.#question.answered(null);
    onEnded(this.last);
    this.last = null;
    // A worker that was still starting had nothing to put in order, and dies of the signal.
    if (this.#stopping !== null) this.#stopping.ended(code === 0 || (starting && signal === this.#stopping.signal));
    else if (this.#mistake !== null && !this.#everReady) onMistake(this.#mistake);
    else this.#startAgain(code, signal);
  }

  #startAgain(code: number | null, signal: string | null): void {
    const { clock, log } = this.#options;
    if (clock.now() - this.#startedAt > STEADY_MS) this.#pauseMs = FIRST_PAUSE_MS;
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    const reason = this.#mistake ?? undefined;
    this.#mistake = null;
    log.error({ worker: this.number, code, signal, reason, pauseMs }, 'a worker has ended; it is started again');
    this.#cancelRestart = clock.after(pauseMs, () => {
      this.restarts++;
      this.start();
    });
  }
}
