import { AggregatorRegistry, type Registry } from 'prom-client';

/** The metrics of one process at one moment, as prom-client gives them. */
export type Snapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

type Sample = Snapshot[number]['values'][number];

/**
 * One snapshot for several processes. What a process counts of its own work (`prefix`) is put together: summed, or as the metric
 * says. What is said of the process itself (memory, event loop, start time) is kept apart by a label `worker`.
 */
export function merge(snapshots: ReadonlyMap<string, Snapshot>, past: Snapshot, prefix: string): Registry {
  const labelled = [...snapshots].map(([worker, snapshot]) =>
    snapshot.map((metric) => (metric.name.startsWith(prefix) ? metric : withLabel(metric, worker))),
  );
  return AggregatorRegistry.aggregate([...labelled, past]);
}

/** No two processes have a set of labels in common, so `first` keeps them all; some of these would be left out otherwise. */
function withLabel(metric: Snapshot[number], worker: string): Snapshot[number] {
  const values = metric.values.map((sample: Sample) => ({ ...sample, labels: { ...sample.labels, worker } }));
  return { ...metric, aggregator: 'first', values };
}

/** What is counted for ever: a sum over processes may not fall when one of them ends. */
export function countersOf(snapshot: Snapshot, prefix: string): Snapshot {
  return snapshot.filter(
    ({ name, type }) => name.startsWith(prefix) && ['counter', 'histogram'].includes(String(type)),
  );
}

export function sum(snapshots: readonly Snapshot[]): Promise<Snapshot> {
  return AggregatorRegistry.aggregate([...snapshots]).getMetricsAsJSON();
}
