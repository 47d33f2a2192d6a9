import { json } from '../wire/http.js';
import type { Route } from './router.js';

export interface HealthSource {
  /** Why the server should get no traffic now, in plain words; empty when it is ready. */
  notReady(): readonly string[] | Promise<readonly string[]>;
  /** It is on its way out, and takes nobody any more. */
  isDraining(): boolean;
}

const NO_STORE = { 'cache-control': 'no-store' };

/**
 * GET /healthz (the process answers; in words whether it drains, since a balancer without a ready node sends its clients to a living
 * one) and GET /readyz (its dependencies are there and it does not drain).
 */
export function healthRoutes(source: HealthSource): Route[] {
  return [
    {
      method: 'GET',
      path: '/healthz',
      handle: () => json(200, { status: source.isDraining() ? 'draining' : 'ok' }, NO_STORE),
    },
    {
      method: 'GET',
      path: '/readyz',
      handle: async () => {
        const reasons = await source.notReady();
        return reasons.length === 0
          ? json(200, { status: 'ready' }, NO_STORE)
          : json(503, { status: 'not ready', reasons }, { ...NO_STORE, 'retry-after': '1' });
      },
    },
  ];
}
