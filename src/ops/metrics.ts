import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Snapshot } from './snapshot.js';

export type Labels = Readonly<Record<string, string>>;
/** A value, or one for each set of labels. */
export type Reading = number | readonly (readonly [Labels, number])[];

export interface Metric {
  /** Prometheus name without the prefix, with its unit; counters end in _total. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  /** What a gauge of several workers is on the page of all; default: their sum. */
  readonly across?: 'sum' | 'min' | 'max';
  /** Read when the metrics are asked for: hot paths count in plain fields. */
  read(): Reading;
}

export const PREFIX = 'candlecast_';

/** The /metrics page in Prometheus's text format. */
export class Metrics {
  readonly #registry = new Registry();

  constructor(metrics: readonly Metric[]) {
    collectDefaultMetrics({ register: this.#registry });
    for (const metric of metrics) this.#add(metric);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** All of it as data, to be merged with that of other processes. */
  snapshot(): Promise<Snapshot> {
    return this.#registry.getMetricsAsJSON();
  }

  #add({ name, help, labels = [], across = 'sum', read }: Metric): void {
    const settings = { name: PREFIX + name, help, labelNames: labels, registers: [this.#registry] };
    if (name.endsWith('_total')) {
      new Counter({
        ...settings,
        collect() {
          this.reset();
          for (const [set, value] of readings(read())) this.inc({ ...set }, value);
        },
      });
      return;
    }
    new Gauge({
      ...settings,
      aggregator: across,
      collect() {
        this.reset();
        for (const [set, value] of readings(read())) this.set({ ...set }, value);
      },
    });
  }
}

function readings(reading: Reading): readonly (readonly [Labels, number])[] {
  return typeof reading === 'number' ? [[{}, reading]] : reading;
}
