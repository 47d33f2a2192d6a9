import type { GatewayStats } from '../gateway/stats.js';
import type { HttpStats } from '../http/watched.js';
import { Metrics } from '../ops/metrics.js';
import { statusMetric } from './feed-metrics.js';
import { gatewayMetrics } from './gateway-metrics.js';
import { ingestMetrics } from './ingest-metrics.js';
import { lagMetrics } from './lag-metrics.js';
import type { Parts } from './parts.js';
import { httpMetrics, processMetrics } from './process-metrics.js';
import type { Readable } from './store.js';
import type { Traced } from './traces.js';

export interface Measured {
  readonly around: Traced;
  readonly read: Readable;
  readonly parts: Parts;
  readonly stats: GatewayStats;
  readonly requests: HttpStats;
  isReady(): boolean;
}

/** All that this process counts, under the names that operators see (docs/metrics.md). */
export function serverMetrics({ around, read, parts, stats, requests, isReady }: Measured): Metrics {
  const { roles } = around.config;
  const { ingest, store, statuses } = parts;
  const serves = roles.includes('gateway');
  return new Metrics([
    ...processMetrics(roles, isReady, read.readers, around.spans),
    ...httpMetrics(requests),
    ...(ingest === null || store === null ? [] : ingestMetrics(ingest, store, around.clock)),
    ...(serves ? gatewayMetrics(stats) : []),
    ...lagMetrics(ingest, serves ? stats : null),
    ...(statuses === null ? [] : [statusMetric(() => statuses.statuses())]),
    ...parts.metrics,
  ]);
}
