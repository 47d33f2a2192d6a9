import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { AnalyticsQueries } from '../analytics/queries/queries.js';
import { checkFeeds } from '../feed/create.js';
import { GatewayStats } from '../gateway/stats.js';
import { chooseTransport } from '../gateway/transport/create.js';
import { analyticsRoutes } from '../http/analytics/routes.js';
import { withBinance } from '../http/binance/handler.js';
import { candlesRoute } from '../http/candles.js';
import { documentRoutes } from '../http/documents/routes.js';
import { healthRoutes } from '../http/health.js';
import { metricsRoute } from '../http/metrics.js';
import { pageRoutes } from '../http/pages.js';
import { Readers } from '../http/readers.js';
import { RouteNames } from '../http/route-names.js';
import { createRouter, type Route } from '../http/router.js';
import { symbolsRoute } from '../http/symbols.js';
import { type TradeIntake, tradesRoute } from '../http/trades.js';
import { udfRoutes } from '../http/udf/routes.js';
import { HttpStats, watched } from '../http/watched.js';
import type { Metrics } from '../ops/metrics.js';
import { readEpochs } from '../store/timescale/writers.js';
import type { HttpHandler } from '../wire/http.js';
import { openAlone } from './alone.js';
import type { Around } from './around.js';
import { openGateway } from './gateway.js';
import { openHttp } from './http-only.js';
import { MarketView } from './market-view.js';
import { serverMetrics } from './metrics.js';
import { packageRoot } from './package.js';
import type { Parts } from './parts.js';
import { requireFreePort } from './port.js';
import { storedStatus } from './restore.js';
import { lockDataDirectory, openReadable, type Readable, storedSymbols } from './store.js';
import { SymbolRegistry } from './symbol-registry.js';
import { withTraces } from './traces.js';
import { metricsOfAll } from './worker.js';

export interface RunningServer {
  readonly port: number;
  /** Rejects when a part that the server cannot do without has ended by itself. */
  readonly failed: Promise<never>;
}

/** A process with the roles of its configuration. Services stop in reverse. @throws UserError */
export async function startServer(started: Around): Promise<RunningServer> {
  const node = nodeName();
  const around = await withTraces(started, node);
  const { config, clock, log } = around;
  const shared = config.workers > 1;
  const createTransport = await chooseTransport(config.transport, log, clock, {
    listening: shared ? 'shared' : 'alone',
  });
  if (!shared) await requireFreePort(config.host, config.port);
  if (config.roles.includes('ingest')) {
    await checkFeeds(config.feeds);
    await lockDataDirectory(around);
  }
  const read = await openReadable(around);
  const registry = new SymbolRegistry();
  const view: MarketView = new MarketView({
    history: read.history,
    storedEpoch: async () => (await read.readers.run(readEpochs)).epoch,
    live: (symbol, interval) => parts.live(symbol, interval),
    isStored: (symbol) => registry.has(symbol),
    isStoreBehind: () => parts.isStoreBehind(),
    storeCatchesUp: () => parts.storeCatchesUp(),
  });
  const parts: Parts =
    config.redisUrl === null
      ? await openAlone(around, read, view)
      : await (await import('./cluster.js')).openCluster(around, read, config.redisUrl, node, view);
  await fill(registry, read, parts);

  const stats = new GatewayStats();
  const requests = new HttpStats();
  const metrics = serverMetrics({
    around,
    read,
    parts,
    stats,
    requests,
    isReady: () => notReady(around, parts).length === 0,
  });
  const routes = await routesOf(around, parts, registry, view, metrics);
  const watch = watchOf(around, routes, requests);
  const http = createRouter(routes, config.allowedOrigins);
  const { subscriber, statuses } = parts;
  const port =
    subscriber === null || statuses === null || !config.roles.includes('gateway')
      ? await openHttp(around, createTransport, watch(http))
      : await openGateway(around, {
          createTransport,
          http: (hot) =>
            watch(
              withBinance(http, {
                market: view,
                hot,
                symbols: () => registry.all(),
                trades: parts.trades,
                readers: readersOf(around, parts),
                clock,
                log,
              }),
            ),
          subscriber,
          statuses,
          trades: parts.trades,
          view,
          read,
          users: parts.users?.parts ?? null,
          stats,
        });
  await parts.goLive();
  return { port, failed: Promise.race([read.failed, parts.failed]) };
}

async function fill(registry: SymbolRegistry, read: Readable, { statuses }: Parts): Promise<void> {
  if (statuses === null) return;
  registry.update(statuses.statuses());
  statuses.onStatus((changed) => registry.update(changed));
  for (const symbol of await storedSymbols(read.readers)) registry.addStored(storedStatus(symbol));
}

/** The answers of all routes, observed. */
function watchOf(around: Around, routes: readonly Route[], stats: HttpStats) {
  const { clock, log, tracer = null } = around;
  const names = new RouteNames([...routes.map(({ path }) => path), '/api/v3/*']);
  return (handler: HttpHandler): HttpHandler => watched(handler, { routes: names, stats, tracer, clock, log });
}

async function routesOf(
  around: Around,
  parts: Parts,
  registry: SymbolRegistry,
  view: MarketView,
  metrics: Metrics,
): Promise<Route[]> {
  const serves = around.config.roles.includes('gateway');
  const routes: Route[] = [
    ...healthRoutes({ notReady: () => notReady(around, parts), isDraining: () => around.lifecycle.stopping.aborted }),
    metricsRoute(around.config.workers > 1 ? metricsOfAll(metrics, around.clock) : metrics),
    tradesRoute(intakeOf(around, parts.ingest)),
    ...(parts.users?.routes ?? []),
    ...(serves
      ? [
          symbolsRoute({ symbols: () => registry.all() }),
          candlesRoute(view, readersOf(around, parts), around.log),
          ...udfRoutes({
            candles: view,
            symbols: { symbols: () => registry.all() },
            readers: readersOf(around, parts),
            marks: parts.users && { auth: parts.users.accounts, signals: parts.users.signals },
            clock: around.clock,
            log: around.log,
          }),
          ...analyticsRoutes({
            source: new AnalyticsQueries(parts.analytics),
            symbols: { symbols: () => registry.all() },
            readers: readersOf(around, parts),
            log: around.log,
          }),
        ]
      : []),
  ];
  const documents: Route[] = documentRoutes(async () =>
    (await import('./api-documents.js')).apiDocuments([...routes, ...documents], serves),
  );
  const pages = serves ? await pageRoutes(join(packageRoot(), 'dist', 'web')) : [];
  return [...routes, ...documents, ...pages];
}

function readersOf({ log }: Around, { users }: Parts): Readers {
  return new Readers(users?.accounts ?? null, users?.parts.visitors ?? null, log);
}

/** Why there should be no traffic now. */
function notReady({ lifecycle }: Around, parts: Parts): readonly string[] {
  return [
    ...(lifecycle.stopping.aborted ? ['the server is shutting down'] : []),
    ...(parts.ingest?.diskFails === true ? ['closed candles do not reach the disk'] : []),
    ...parts.notReady(),
  ];
}

/** Trades go to whoever owns the push partition at the moment. */
function intakeOf({ config }: Around, ingest: Parts['ingest']): TradeIntake | null {
  if (ingest === null || !config.feeds.some(({ kind }) => kind === 'push')) return null;
  return {
    push: async (items, collector) => {
      if (ingest.push === null) throw new NotOwner();
      return ingest.push.push(items, collector);
    },
  };
}

class NotOwner extends Error {
  override readonly name = 'PushUnavailableError';
  constructor() {
    super('another node takes pushed trades at present, or is about to');
  }
}

/** Told apart in Redis and PostgreSQL, and in logs. */
function nodeName(): string {
  return `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`;
}
