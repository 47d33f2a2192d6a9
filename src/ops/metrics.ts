import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { BUCKET_BOUNDS, type DurationHistogram } from '../kit/histogram.js';
import type { Snapshot } from './snapshot.js';

export type Labels = Readonly<Record<string, string>>;
/** A value, or one for each set of labels. */
export type Reading = number | readonly (readonly [Labels, number])[];

interface Described {
  /** Prometheus name without the prefix, with its unit; counters end in _total. */
  readonly name: string;
  /** What it is, as an operator understands it. */
  readonly help: string;
  /** Each takes few values, known beforehand: never a symbol, a user or an address. */
  readonly labels?: readonly string[];
}

/** A counter or a gauge, read when the metrics are asked for: hot paths count in plain fields. */
export interface Value extends Described {
  /** What a gauge of several workers is on the page of all; default: their sum. */
  readonly across?: 'sum' | 'min' | 'max';
  read(): Reading;
}

export interface Distribution extends Described {
  histograms(): readonly (readonly [Labels, DurationHistogram])[];
}

export type Metric = Value | Distribution;

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

  #add(metric: Metric): void {
    if ('histograms' in metric) this.#registry.registerMetric(new ReadHistogram(metric));
    else this.#addValue(metric);
  }

  #addValue({ name, help, labels = [], across = 'sum', read }: Value): void {
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

type HistogramPage = Awaited<ReturnType<Histogram['get']>>;

/** A histogram that was counted elsewhere. */
class ReadHistogram extends Histogram {
  readonly #metric: Distribution;

  constructor(metric: Distribution) {
    const { name, help, labels = [] } = metric;
    super({ name: PREFIX + name, help, labelNames: labels, registers: [] });
    this.#metric = metric;
  }

  override async get(): Promise<HistogramPage> {
    const { name, help, histograms } = this.#metric;
    const values = histograms().flatMap(([labels, histogram]) => samples(PREFIX + name, labels, histogram));
    // Declared are a number as the type, and a `collect` that is of no use here.
    return { name: PREFIX + name, help, type: 'histogram', values, aggregator: 'sum' } as unknown as HistogramPage;
  }

  /** What the page is made of. */
  getForPromString(): Promise<HistogramPage> {
    return this.get();
  }
}

function samples(name: string, labels: Labels, histogram: DurationHistogram): HistogramPage['values'] {
  const counts = histogram.cumulative();
  const bounds = [...BUCKET_BOUNDS.map(String), '+Inf'];
  return [
    ...bounds.map((le, i) => ({ metricName: `${name}_bucket`, labels: { ...labels, le }, value: counts[i] ?? 0 })),
    { metricName: `${name}_sum`, labels: { ...labels }, value: histogram.sumSeconds },
    { metricName: `${name}_count`, labels: { ...labels }, value: counts.at(-1) ?? 0 },
  ];
}

function readings(reading: Reading): readonly (readonly [Labels, number])[] {
  return typeof reading === 'number' ? [[{}, reading]] : reading;
}
