import { join } from 'node:path';
import { LocalBus } from '../bus/local.js';
import { REVISION_HORIZON_MS } from '../candles/book.js';
import { CandlePipeline } from '../candles/pipeline.js';
import type { Config } from '../config/config.js';
import { createFeeds, type Feeds } from '../feed/create.js';
import { floorMinute, type TradeSink } from '../feed/feed.js';
import type { FeedSpec } from '../feed/spec.js';
import { Gateway } from '../gateway/gateway.js';
import { chooseTransport } from '../gateway/transport/create.js';
import { candlesRoute } from '../http/candles.js';
import { healthRoutes } from '../http/health.js';
import { metricsRoute } from '../http/metrics.js';
import { pageRoutes } from '../http/pages.js';
import { createRouter } from '../http/router.js';
import { symbolsRoute } from '../http/symbols.js';
import { tradesRoute } from '../http/trades.js';
import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { Service } from '../kit/service.js';
import type { Lifecycle } from '../ops/lifecycle.js';
import { Metrics } from '../ops/metrics.js';
import type { ProgressLines } from '../ops/progress.js';
import { takeLock } from '../store/embedded/lock.js';
import { Jobs } from '../store/jobs.js';
import { refreshRange, setRetention } from '../store/refresh.js';
import { Spool } from '../store/spool/spool.js';
import { aggregateWatermark } from '../store/timescale/aggregates.js';
import { Database } from '../store/timescale/database.js';
import { CandleHistory } from '../store/timescale/history.js';
import { registerSymbols } from '../store/timescale/symbols.js';
import { TimescaleWriter } from '../store/timescale/writer.js';
import { connect, migrateDatabase, openDatabase } from './database.js';
import { MarketView } from './market-view.js';
import { stageMetrics } from './metrics.js';
import { packageRoot, packageVersion } from './package.js';
import { requireFreePort } from './port.js';
import { loadRestored, type Restored, resumePoint, storedStatus } from './restore.js';
import { StoredHistory } from './stored-history.js';
import { SymbolRegistry } from './symbol-registry.js';

/** Connections for reading history: live writes have their own. */
const READERS = 4;
const REFRESH_DEADLINE_MS = 60_000;
/** Clients are told to go, and given this long. */
const DRAIN_MS = 1000;
/** The rest of a batch stays in the spool. */
const WRITER_STOP_MS = 1000;

export interface Surroundings {
  readonly config: Config<FeedSpec>;
  readonly clock: Clock;
  readonly log: Log;
  readonly progress: ProgressLines;
  readonly lifecycle: Lifecycle;
}

export interface RunningServer {
  readonly port: number;
  /** Rejects when a part that the server cannot do without has ended by itself. */
  readonly failed: Promise<never>;
}

/** Everything in one process: feeds, candles, store and gateway. Services stop in reverse. @throws UserError */
export async function startServer(around: Surroundings): Promise<RunningServer> {
  const { config, clock, log, progress, lifecycle } = around;
  const createTransport = await chooseTransport(config.transport, log, clock);
  await requireFreePort(config.host, config.port);
  // The server has no socket directory of its own that a later start would have to remove.
  const lock = await takeLock(join(config.dataDir, 'server.lock'), '', clock, (text) => log.info({}, text));
  await lifecycle.start(service('data directory', undefined, () => lock.release()));

  const database = await openDatabase({ url: config.timescaleUrl, dataDir: config.dataDir, clock, log, progress });
  await lifecycle.start(service('database', undefined, () => database.stop()));
  const failed = database.exited.then(() => {
    if (lifecycle.draining) return new Promise<never>(() => {});
    throw new Error('the embedded database ended by itself');
  });
  failed.catch(() => {});

  const readers = new Database({ url: database.url, clock, max: READERS });
  await lifecycle.start(service('database readers', undefined, () => readers.close()));
  const upkeep = new Database({ url: database.url, clock, deadlineMs: REFRESH_DEADLINE_MS });
  await lifecycle.start(service('database upkeep', undefined, () => upkeep.close()));
  await migrateDatabase(database.url, log, progress);
  await upkeep.run((sql) => setRetention(sql, config.retentionDays, clock.now()));

  const spool = await lifecycle.start(
    new Spool({ directory: join(config.dataDir, 'spool'), clock, log, maxBytes: config.spoolMaxBytes }),
  );
  const writer = await lifecycle.start(
    new TimescaleWriter({
      url: database.url,
      source: spool,
      clock,
      log,
      quarantineDirectory: join(config.dataDir, 'quarantine'),
      aggregates: {
        watermark: () => readers.run(aggregateWatermark),
        refresh: (from, to) => upkeep.run((sql) => refreshRange(sql, from, to)),
      },
      stopDeadlineMs: WRITER_STOP_MS,
    }),
  );
  await progress.during('Writing what the last run left in the spool', () => writer.drained());
  const restored = await progress.during('Reading the stored candles', () => loadRestored(readers));

  const history = new CandleHistory(readers);
  const registry = new SymbolRegistry((entries) => readers.run((sql) => registerSymbols(sql, entries)), clock, log);
  for (const symbol of restored.symbols) registry.addStored(storedStatus(symbol));

  const bus: LocalBus = new LocalBus((symbol, interval) => view.window(symbol, interval));
  const pipeline: CandlePipeline = new CandlePipeline({
    epoch: restored.epoch,
    graceMs: config.graceMs,
    coalesceMs: config.coalesceMs,
    clock,
    log,
    append: (records) => spool.append(records),
    publish: (events) => bus.publish(events),
    wants: (symbol, interval) => bus.wants(symbol, interval),
  });
  const view: MarketView = new MarketView({
    epoch: restored.epoch,
    history,
    live: (symbol, interval) => pipeline.window(symbol, interval),
    isStored: (symbol) => registry.has(symbol),
  });
  await lifecycle.start(pipeline);

  const sink: TradeSink = {
    trade: (trade) => pipeline.trade(trade),
    advance: (symbol, timeMs) => pipeline.advance(symbol, timeMs),
    gap: (symbol, from, to, reason) => pipeline.gap(symbol, from, to, reason),
    ready: () => pipeline.ready(),
    status: (status) => {
      registry.update(status);
      bus.publishStatus([status]);
    },
  };
  const feeds = await createFeeds(config.feeds, {
    clock,
    log,
    sink,
    graceMs: config.graceMs,
    dataDir: config.dataDir,
    resume: (symbol) => resumePoint(restored.states.get(symbol)),
  });
  restoreBooks(pipeline, feeds, restored);
  await catchUp(feeds, pipeline, restored, progress);

  const metrics: Metrics = new Metrics(stageMetrics({ pipeline, spool, writer, gateway: () => gateway }));
  const notReady = () => [
    ...(lifecycle.draining ? ['the server is shutting down'] : []),
    ...(pipeline.failedAppends > 0 ? ['closed candles do not reach the disk'] : []),
  ];
  const routes = [
    symbolsRoute({ symbols: () => registry.all() }),
    candlesRoute(view, log),
    tradesRoute(feeds.push),
    ...healthRoutes({ notReady }),
    metricsRoute(metrics),
    ...(await pageRoutes(join(packageRoot(), 'dist', 'web'))),
  ];
  const gateway = new Gateway({
    createTransport,
    http: createRouter(routes),
    bus,
    history: new StoredHistory(history, restored.firstEpoch),
    clock,
    log,
    server: `candlecast/${packageVersion()}`,
  });
  const port = await gateway.listen(config.host, config.port);
  await lifecycle.start(
    service('gateway', undefined, async () => {
      await gateway.drain(DRAIN_MS);
      await gateway.close();
    }),
  );
  if (database.embedded) {
    const sql = connect(database.url);
    await lifecycle.start(service('database client', undefined, () => sql.end({ timeout: 0 })));
    await lifecycle.start(new Jobs({ sql, clock, log }));
  }
  for (const feed of feeds.all) await lifecycle.start(feed);
  return { port, failed };
}

function restoreBooks(pipeline: CandlePipeline, feeds: Feeds, restored: Restored): void {
  for (const symbol of ownSymbols(feeds, restored)) {
    const state = restored.states.get(symbol);
    const last = state?.minutes.at(-1);
    if (state === undefined || last === undefined) continue;
    pipeline.restore(symbol, state, floorMinute(last.openTime - REVISION_HORIZON_MS));
  }
}

/** The symbols that feeds bring: push knows its own by what it has brought before. */
function ownSymbols(feeds: Feeds, restored: Restored): Set<string> {
  const own = new Set(feeds.all.flatMap((feed) => [...feed.symbols]));
  if (feeds.push === null) return own;
  for (const { symbol, source } of restored.symbols) if (source === feeds.push.source) own.add(symbol);
  return own;
}

async function catchUp(
  feeds: Feeds,
  pipeline: CandlePipeline,
  restored: Restored,
  progress: ProgressLines,
): Promise<void> {
  for (const feed of feeds.all) {
    await progress.during(`Catching up: ${feed.source}`, (line) => feed.catchUp((done) => line.update(done)));
  }
  for (const symbol of ownSymbols(feeds, restored)) pipeline.finishRestore(symbol);
}

function service(name: string, start: (() => Promise<void>) | undefined, stop: () => Promise<void>): Service {
  return { name, start: start ?? (async () => {}), stop };
}
