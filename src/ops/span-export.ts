import { TraceFlags } from '@opentelemetry/api';
import type { ReadableSpan, SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace-node';
import type { Log } from '../kit/log.js';

/** Spans that wait to be sent; more are let go of. */
export const SPANS_WAITING = 4096;

/** What became of spans since the start. */
export interface SpanCounts {
  exported: number;
  /** The collector did not take them. */
  failed: number;
  /** Too many waited. */
  dropped: number;
}

/** ExportResultCode.SUCCESS of @opentelemetry/core. */
const SUCCESS = 0;

type Exported = Parameters<SpanExporter['export']>[1];
type SpanStart = Parameters<SpanProcessor['onStart']>;

/** Between the tracer and what sends spans in batches: counts what becomes of them, and bounds how many wait. */
export class BoundedSpans implements SpanProcessor {
  readonly counts: SpanCounts = { exported: 0, failed: 0, dropped: 0 };
  readonly #batches: SpanProcessor;
  readonly #exporter: SpanExporter;
  readonly #log: Log;
  #waiting = 0;
  #failing = false;

  /** `inBatches` makes what hands the spans it is given over to the exporter it is given. */
  constructor(exporter: SpanExporter, log: Log, inBatches: (exporter: SpanExporter) => SpanProcessor) {
    this.#exporter = exporter;
    this.#log = log;
    this.#batches = inBatches({
      export: (spans, done) => this.#export(spans, done),
      shutdown: () => exporter.shutdown(),
    });
  }

  onStart(...started: SpanStart): void {
    this.#batches.onStart(...started);
  }

  onEnd(span: ReadableSpan): void {
    if ((span.spanContext().traceFlags & TraceFlags.SAMPLED) === 0) return;
    if (this.#waiting >= SPANS_WAITING) {
      this.counts.dropped++;
      return;
    }
    this.#waiting++;
    this.#batches.onEnd(span);
  }

  forceFlush(): Promise<void> {
    return this.#batches.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#batches.shutdown();
  }

  #export(spans: ReadableSpan[], done: Exported): void {
    this.#exporter.export(spans, (result) => {
      this.#waiting -= spans.length;
      const failed = result.code !== SUCCESS;
      this.counts[failed ? 'failed' : 'exported'] += spans.length;
      this.#tell(failed, result.error);
      done(result);
    });
  }

  /** The first failure in a row, and the end of them. */
  #tell(failed: boolean, error: Error | undefined): void {
    if (failed === this.#failing) return;
    this.#failing = failed;
    if (failed) this.#log.warn({ reason: error?.message }, 'traces cannot be sent; they are counted and let go of');
    else this.#log.info({}, 'traces are sent again');
  }
}
