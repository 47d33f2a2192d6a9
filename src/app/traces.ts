import type { SpanCounts } from '../ops/span-export.js';
import { type Around, toStop } from './around.js';
import { packageVersion } from './package.js';

export interface Traced extends Around {
  /** null: there are no traces. */
  readonly spans: SpanCounts | null;
}

/** With a tracer where the configuration asks for traces; nothing of it is loaded otherwise. Started first, it sends last what the stop brings. */
export async function withTraces(around: Around, node: string): Promise<Traced> {
  const { config, clock, log, lifecycle } = around;
  if (config.traces === null) return { ...around, spans: null };
  const { openTracing } = await import('../ops/tracing.js');
  const tracing = openTracing({ ...config.traces, version: packageVersion(), instance: node, clock, log });
  await lifecycle.start(toStop('traces', () => tracing.stop()));
  return { ...around, log: tracing.log, tracer: tracing.tracer, spans: tracing.counts };
}
