import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';

export type Labels = Readonly<Record<string, string>>;
/** A value, or one for each set of labels. */
export type Reading = number | readonly (readonly [Labels, number])[];

export interface Metric {
  /** Prometheus name without the prefix, with its unit; counters end in _total. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  /** Read when the metrics are asked for: hot paths count in plain fields. */
  read(): Reading;
}

const PREFIX = 'candlecast_';

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

  #add({ name, help, labels = [], read }: Metric): void {
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
