import type { Route } from './router.js';

export interface MetricsSource {
  readonly contentType: string;
  text(): Promise<string>;
}

/** GET /metrics in Prometheus's text format. */
export function metricsRoute(source: MetricsSource): Route {
  return {
    method: 'GET',
    path: '/metrics',
    handle: async () => ({
      status: 200,
      headers: { 'content-type': source.contentType, 'cache-control': 'no-store' },
      body: await source.text(),
    }),
  };
}
