/** The full gateway with its metrics page, as one process serves it; with traces where `collector` is given. */
import { gatewayMetrics } from '../../../src/app/gateway-metrics.js';
import { lagMetrics } from '../../../src/app/lag-metrics.js';
import { httpMetrics } from '../../../src/app/process-metrics.js';
import { LocalBus } from '../../../src/bus/local.js';
import { Gateway } from '../../../src/gateway/gateway.js';
import { GatewayStats } from '../../../src/gateway/stats.js';
import { chooseTransport } from '../../../src/gateway/transport/create.js';
import { metricsRoute } from '../../../src/http/metrics.js';
import { RouteNames } from '../../../src/http/route-names.js';
import { createRouter } from '../../../src/http/router.js';
import { HttpStats, watched } from '../../../src/http/watched.js';
import { systemClock } from '../../../src/kit/clock.js';
import { silentLog } from '../../../src/kit/log.js';
import type { Candle } from '../../../src/market/candle.js';
import type { MarketEvent } from '../../../src/market/event.js';
import { Metrics } from '../../../src/ops/metrics.js';
import { json } from '../../../src/wire/http.js';
import { EPOCH, host, SEQ, sampleCandle } from './host.js';

/** What is asked for beside the fan-out, so that there is something to trace. */
export const WORK_PATH = '/v1/work';
const CHANNELS = 200;

export async function serveMeasured(collector: string | null): Promise<void> {
  const clock = systemClock;
  const stats = new GatewayStats();
  const requests = new HttpStats();
  const tracer = collector === null ? undefined : await traced(collector);
  const log = silentLog;
  const metrics = new Metrics([...gatewayMetrics(stats), ...lagMetrics(null, stats), ...httpMetrics(requests)]);
  const work = { method: 'GET', path: WORK_PATH, handle: () => json(200, { symbols: [] }) } as const;
  const routes = [metricsRoute(metrics), work];
  const names = new RouteNames(routes.map(({ path }) => path));
  const http = watched(createRouter(routes), { routes: names, stats: requests, tracer: tracer ?? null, clock, log });
  const bus = new LocalBus(async () => ({ epoch: EPOCH, seq: SEQ, closed: [], open: null, gaps: [] }));
  const none = async () => [];
  const gateway = new Gateway({
    createTransport: await chooseTransport('uws', silentLog, clock),
    http,
    bus,
    history: { before: none, since: none, gaps: none, gapsSince: none, firstEpoch: async () => EPOCH },
    clock,
    log,
    server: 'bench',
    stats,
    ...(tracer && { tracer }),
  });
  const updates = alternating();
  await host({
    dialect: 'native',
    listen: () => gateway.listen('127.0.0.1', 0),
    tick: (count) => bus.publish(updates().slice(0, count)),
  });
}

async function traced(collector: string) {
  const { openTracing } = await import('../../../src/ops/tracing.js');
  const about = { service: 'bench', version: '0', instance: 'bench', clock: systemClock, log: silentLog };
  return openTracing({ url: `${collector}/v1/traces`, ...about }).tracer;
}

type Changing = { -readonly [K in keyof Candle]: Candle[K] };

/** Updates whose newest trade is a fifth of a second old, so that their lag is counted; of two sets, since what is published is kept. */
function alternating(): () => readonly MarketEvent[] {
  const sets = [0, 1].map(() => Array.from({ length: CHANNELS }, (_, n): Changing => ({ ...sampleCandle(n) })));
  const events = sets.map((candles) =>
    candles.map(
      (candle, n): MarketEvent => ({
        ...{ kind: 'update', symbol: `B${n}`, interval: '1m', epoch: EPOCH, seq: SEQ },
        candle,
      }),
    ),
  );
  let turn = 0;
  let time = 0;
  return () => {
    turn = 1 - turn;
    time = Math.max(systemClock.now() - 200, time + 0.001);
    for (const candle of sets[turn] ?? []) candle.lastTradeTime = time;
    return events[turn] ?? [];
  };
}
