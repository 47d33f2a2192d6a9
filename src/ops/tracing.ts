import {
  context,
  type Span as OtelSpan,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { Span, SpanOptions, Tracer } from '../kit/tracer.js';
import { BoundedSpans, SPANS_WAITING, type SpanCounts } from './span-export.js';

export interface TracingOptions {
  /** OTLP over HTTP, such as http://localhost:4318/v1/traces. May hold a password: never log it. */
  readonly url: string;
  /** As spans name where they come from. */
  readonly service: string;
  readonly version: string;
  /** Of this process among all. */
  readonly instance: string;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Tracing {
  readonly tracer: Tracer;
  readonly counts: SpanCounts;
  /** The log, whose lines name the trace they were written in. */
  readonly log: Log;
  /** Sends what waits, or gives up. */
  stop(): Promise<void>;
}

const BATCH_SPANS = 512;
const BATCH_MS = 1000;
const EXPORT_TIMEOUT_MS = 5000;
/** A collector that does not answer keeps no server from ending in time. */
const STOP_MS = 1000;

/**
 * Traces by OpenTelemetry, for one process once. Its other standard variables (sampling, headers, limits) are read by the library.
 * An export that fails is counted and given up after the library's own attempts; the server never waits for one.
 */
export function openTracing({ url, service, version, instance, clock, log }: TracingOptions): Tracing {
  const resource = defaultResource().merge(
    resourceFromAttributes({
      'service.name': service,
      'service.version': version,
      'service.instance.id': instance,
    }),
  );
  const exporter = new OTLPTraceExporter({ url, timeoutMillis: EXPORT_TIMEOUT_MS });
  const spans = new BoundedSpans(exporter, log, (counted) => {
    const bounds = { maxQueueSize: SPANS_WAITING, maxExportBatchSize: BATCH_SPANS };
    return new BatchSpanProcessor(counted, { ...bounds, scheduledDelayMillis: BATCH_MS });
  });
  const provider = new NodeTracerProvider({ resource, spanProcessors: [spans] });
  provider.register();
  return {
    tracer: new OtelTracer(),
    counts: spans.counts,
    log: withTraceIds(log),
    stop: () => {
      const late = new Promise<void>((resolve) => void clock.after(STOP_MS, resolve));
      return Promise.race([provider.shutdown().catch(() => {}), late]);
    },
  };
}

const KINDS = { server: SpanKind.SERVER, client: SpanKind.CLIENT } as const;

class OtelTracer implements Tracer {
  readonly #tracer = trace.getTracer('candlecast');

  span<T>(name: string, options: SpanOptions, work: (span: Span) => Promise<T>): Promise<T> {
    const { kind, attributes = {} } = options;
    const settings = { attributes, kind: kind === undefined ? SpanKind.INTERNAL : KINDS[kind] };
    return this.#tracer.startActiveSpan(name, settings, parentOf(options), async (span) => {
      try {
        return await work(new OpenSpan(span));
      } catch (error) {
        fail(span, reasonOf(error));
        throw error;
      } finally {
        span.end();
      }
    });
  }
}

function parentOf({ traceparent, tracestate }: SpanOptions) {
  return traceparent === undefined
    ? context.active()
    : propagation.extract(ROOT_CONTEXT, { traceparent, ...(tracestate === undefined ? {} : { tracestate }) });
}

class OpenSpan implements Span {
  readonly #span: OtelSpan;

  constructor(span: OtelSpan) {
    this.#span = span;
  }

  set(attributes: Parameters<Span['set']>[0]): void {
    this.#span.setAttributes(attributes);
  }

  failed(reason: string): void {
    fail(this.#span, reason);
  }
}

function fail(span: OtelSpan, reason: string): void {
  span.setAttribute('error.type', reason);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** The code of an error where it has one, else its name; its text may hold what somebody sent. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const code = 'code' in error ? String(error.code) : '';
  return /^\w{1,40}$/.test(code) ? code : error.name;
}

function withTraceIds(log: Log): Log {
  const named = (fields: object): object => {
    const span = trace.getActiveSpan()?.spanContext();
    return span === undefined ? fields : { ...fields, traceId: span.traceId, spanId: span.spanId };
  };
  return {
    debug: (fields, message) => log.debug(named(fields), message),
    info: (fields, message) => log.info(named(fields), message),
    warn: (fields, message) => log.warn(named(fields), message),
    error: (fields, message) => log.error(named(fields), message),
  };
}
