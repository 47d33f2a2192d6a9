import { join } from 'node:path';
import { checkFeeds } from '../feed/create.js';
import { Gateway } from '../gateway/gateway.js';
import { chooseTransport } from '../gateway/transport/create.js';
import { candlesRoute } from '../http/candles.js';
import { healthRoutes } from '../http/health.js';
import { metricsRoute } from '../http/metrics.js';
import { pageRoutes } from '../http/pages.js';
import { createRouter, type Route } from '../http/router.js';
import { symbolsRoute } from '../http/symbols.js';
import { tradesRoute } from '../http/trades.js';
import { Metrics } from '../ops/metrics.js';
import { type Around, toStop } from './around.js';
import { atMost } from './at-most.js';
import { type Ingest, openIngest } from './ingest.js';
import { stageMetrics } from './metrics.js';
import { packageRoot, packageVersion } from './package.js';
import { requireFreePort } from './port.js';
import { openStore, type Store } from './store.js';
import { StoredHistory } from './stored-history.js';

/** Clients are told to go, and given this long. */
const DRAIN_MS = 1000;
const HISTORY_WAIT_MS = 15_000;

export interface RunningServer {
  readonly port: number;
  /** Rejects when a part that the server cannot do without has ended by itself. */
  readonly failed: Promise<never>;
}

/** Everything in one process, from feeds to sockets. Services stop in reverse. @throws UserError */
export async function startServer(around: Around): Promise<RunningServer> {
  const { config, clock, log, lifecycle } = around;
  const createTransport = await chooseTransport(config.transport, log, clock);
  await requireFreePort(config.host, config.port);
  await checkFeeds(config.feeds);

  const store = await openStore(around);
  const ingest = await openIngest(around, store);
  await historyWritten(around, store);
  const gateway: Gateway = new Gateway({
    createTransport,
    http: createRouter(await routesOf(around, store, ingest, () => gateway)),
    bus: ingest.bus,
    history: new StoredHistory(ingest.history, store.restored.firstEpoch),
    clock,
    log,
    server: `candlecast/${packageVersion()}`,
  });
  const port = await gateway.listen(config.host, config.port);
  await lifecycle.start(
    toStop('gateway', async () => {
      await gateway.drain(DRAIN_MS);
      await gateway.close();
    }),
  );
  await store.startJobs();
  for (const feed of ingest.feeds.all) await lifecycle.start(feed);
  return { port, failed: store.failed };
}

/** The first page is asked for at once: what catching up brought should be readable by then. Live waits for no database. */
function historyWritten({ clock, progress }: Around, { writer }: Store): Promise<void> {
  return progress.during('Writing the history to the database', () => atMost(HISTORY_WAIT_MS, clock, writer.drained()));
}

async function routesOf(around: Around, store: Store, ingest: Ingest, gateway: () => Gateway): Promise<Route[]> {
  const { pipeline, registry, view, feeds } = ingest;
  const metrics = new Metrics(
    stageMetrics({ pipeline, spool: store.spool, writer: store.writer, feeds: feeds.all, gateway }),
  );
  const notReady = () => [
    ...(around.lifecycle.draining ? ['the server is shutting down'] : []),
    ...(pipeline.failedAppends > 0 ? ['closed candles do not reach the disk'] : []),
  ];
  return [
    symbolsRoute({ symbols: () => registry.all() }),
    candlesRoute(view, around.log),
    tradesRoute(feeds.push),
    ...healthRoutes({ notReady }),
    metricsRoute(metrics),
    ...(await pageRoutes(join(packageRoot(), 'dist', 'web'))),
  ];
}
