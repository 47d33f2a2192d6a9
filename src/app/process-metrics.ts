import type { HttpStats } from '../http/watched.js';
import type { Metric } from '../ops/metrics.js';
import type { SpanCounts } from '../ops/span-export.js';
import type { Database } from '../store/timescale/database.js';
import { packageVersion } from './package.js';

/** Of every process, whatever its roles. `spans` null: there are no traces. */
export function processMetrics(
  roles: readonly string[],
  isReady: () => boolean,
  readers: Database,
  spans: SpanCounts | null,
): Metric[] {
  return [
    {
      name: 'build_info',
      help: '1; the version and the roles of the process are in the labels.',
      labels: ['version', 'roles'],
      across: 'max',
      read: () => [[{ version: packageVersion(), roles: roles.join(',') }, 1]],
    },
    {
      name: 'ready',
      help: '1 while /readyz answers 200.',
      across: 'min',
      read: () => (isReady() ? 1 : 0),
    },
    {
      name: 'history_query_duration_seconds',
      help: 'Statements that read history from TimescaleDB, failed ones included.',
      histograms: () => [[{}, readers.durations]],
    },
    {
      name: 'history_query_failures_total',
      help: 'Statements that read history and failed.',
      read: () => readers.failures,
    },
    {
      name: 'history_queries_waiting',
      help: 'Statements that wait for a connection to TimescaleDB.',
      read: () => readers.waiting,
    },
    ...(spans === null ? [] : [spanMetric(spans)]),
  ];
}

/** Requests over HTTP, WebSocket upgrades and event streams left out. */
export function httpMetrics(stats: HttpStats): Metric[] {
  return [
    {
      name: 'http_requests_total',
      help: 'HTTP requests by method, route and class of status.',
      labels: ['method', 'route', 'status'],
      read: () =>
        [...stats.requests].map(([key, count]) => {
          const [method = '', route = '', status = ''] = key.split(' ');
          return [{ method, route, status }, count] as const;
        }),
    },
    {
      name: 'http_request_duration_seconds',
      help: 'From the whole request to its answer, by route.',
      labels: ['route'],
      histograms: () => [...stats.durations].map(([route, durations]) => [{ route }, durations]),
    },
  ];
}

function spanMetric(spans: SpanCounts): Metric {
  return {
    name: 'trace_spans_total',
    help: 'Spans by what became of them.',
    labels: ['outcome'],
    read: () => [
      [{ outcome: 'exported' }, spans.exported],
      [{ outcome: 'failed' }, spans.failed],
      [{ outcome: 'dropped' }, spans.dropped],
    ],
  };
}
