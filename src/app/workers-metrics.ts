import { Metrics, PREFIX } from '../ops/metrics.js';
import { countersOf, merge, type Snapshot, sum } from '../ops/snapshot.js';

export interface MeasuredWorker {
  readonly number: number;
  readonly restarts: number;
  /** What its process counted when it was last asked. */
  readonly last: Snapshot | null;
  /** null: it does not answer. */
  snapshot(): Promise<Snapshot | null>;
}

/**
 * The metrics page of all workers. Of one that does not answer, only what it had counted when it last did is in it; what ended
 * ones had counted stays in it too, because a counter that falls looks like a restart of the whole.
 */
export class WorkersMetrics {
  readonly #workers: readonly MeasuredWorker[];
  readonly #own: Metrics;
  #answered: ReadonlySet<MeasuredWorker> = new Set();
  #ended: Snapshot[] = [];
  #past: Snapshot = [];
  #running: Promise<string> | null = null;

  constructor(workers: readonly MeasuredWorker[]) {
    this.#workers = workers;
    this.#own = new Metrics([
      { name: 'workers', help: 'Worker processes that answered.', read: () => this.#answered.size },
      {
        name: 'worker_up',
        help: '1 where the worker process answered.',
        labels: ['worker'],
        read: () => workers.map((worker) => [labelOf(worker), this.#answered.has(worker) ? 1 : 0]),
      },
      {
        name: 'worker_restarts_total',
        help: 'Times a worker process was started again.',
        labels: ['worker'],
        read: () => workers.map((worker) => [labelOf(worker), worker.restarts]),
      },
    ]);
  }

  /** Who asks while it is being put together gets the same. */
  page(): Promise<string> {
    this.#running ??= this.#collect().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  /** A worker process is no more. */
  ended(last: Snapshot | null): void {
    if (last !== null) this.#ended.push(countersOf(last, PREFIX));
  }

  async #collect(): Promise<string> {
    const answers = await Promise.all(this.#workers.map((worker) => worker.snapshot()));
    this.#answered = new Set(this.#workers.filter((_, index) => answers[index] !== null));
    const own = await this.#own.snapshot();
    while (this.#ended.length > 0) this.#past = await sum([this.#past, ...this.#ended.splice(0)]);
    // From here on in one go: no process may end between being in the past and being looked at.
    const snapshots = new Map([['primary', own]]);
    this.#workers.forEach((worker, index) => {
      if (worker.last === null) return;
      const whole = worker.last === answers[index];
      snapshots.set(String(worker.number), whole ? worker.last : countersOf(worker.last, PREFIX));
    });
    return merge(snapshots, this.#past, PREFIX).metrics();
  }
}

function labelOf({ number }: MeasuredWorker): { worker: string } {
  return { worker: String(number) };
}
