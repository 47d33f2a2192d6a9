import cluster from 'node:cluster';
import type { MetricsSource } from '../http/metrics.js';
import type { Clock } from '../kit/clock.js';
import type { Metrics } from '../ops/metrics.js';
import type { Snapshot } from '../ops/snapshot.js';
import { Question } from './question.js';

/** What a worker tells its primary, and is told. */
export type FromWorker =
  | { readonly kind: 'ready' }
  /** The operator's mistake, for which this worker ends. */
  | { readonly kind: 'mistake'; readonly text: string }
  | { readonly kind: 'snapshot'; readonly snapshot: Snapshot }
  | { readonly kind: 'page?' };
export type ToWorker = { readonly kind: 'snapshot?' } | { readonly kind: 'page'; readonly page: string | null };

/** Longer than the primary waits for the workers. */
const PAGE_DEADLINE_MS = 2000;

/** Whether this process is one of several on a port, started by a primary. */
export const isWorker = cluster.isWorker;

/** Resolves when the primary has it, or is gone. */
export function tellPrimary(message: FromWorker): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(message, undefined, {}, () => resolve());
  });
}

/** Resolves when there is no primary any more; without this being awaited, Node ends the worker on the spot. */
export function primaryGone(): Promise<void> {
  return new Promise((resolve) => {
    const { worker } = cluster;
    worker?.once('disconnect', () => {
      // Node looks at it next, and ends workers whose primary went without a word: here the clients are told first.
      worker.exitedAfterDisconnect = true;
      resolve();
    });
  });
}

/** The page of all workers, whichever was asked; this one's own where the primary does not answer. */
export function metricsOfAll(own: Metrics, clock: Clock): MetricsSource {
  const question = new Question<string>(() => void tellPrimary({ kind: 'page?' }), PAGE_DEADLINE_MS, clock);
  process.on('message', (message: ToWorker) => {
    if (message.kind === 'page') question.answered(message.page);
    else if (message.kind === 'snapshot?')
      void own.snapshot().then((snapshot) => tellPrimary({ kind: 'snapshot', snapshot }));
  });
  return {
    contentType: own.contentType,
    text: async () => (await question.ask()) ?? own.text(),
  };
}
