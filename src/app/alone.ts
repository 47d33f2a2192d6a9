import { SharedSubscriber } from '../bus/shared.js';
import { LocalTrades } from '../bus/trades.js';
import { UserError } from '../kit/errors.js';
import { registerSymbols } from '../store/timescale/symbols.js';
import { openAnalytics } from './analytics.js';
import type { Around } from './around.js';
import { toStop } from './around.js';
import { atMost } from './at-most.js';
import { localBus } from './bus.js';
import { catchingUp } from './catching-up.js';
import { explained } from './database-error.js';
import { Ingest, wholePlan } from './ingest.js';
import type { MarketView } from './market-view.js';
import type { Parts } from './parts.js';
import { relationalMetrics } from './relational.js';
import { ruleMetrics, ruleRunner, ruleService } from './rules.js';
import { openSignals } from './signals.js';
import { openStore, type Readable, startJobs } from './store.js';
import { SymbolWriter } from './symbol-writer.js';
import { openUsers, ownProvider } from './users.js';

const PARTITION = 'all';
const HISTORY_WAIT_MS = 15_000;

/** Two servers without a bus between them would serve different candles. */
class SecondWriterError extends UserError {
  override readonly name = 'SecondWriterError';
  constructor() {
    super(
      'another server has begun to write to this database: stop one of them, or run both as a cluster (REDIS_URL); candles that it refuses are in the quarantine directory',
    );
  }
}

function failing(): { failed: Promise<never>; fail: (error: Error) => void } {
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  // Whoever waits for it gets the rejection; until then it is nobody's.
  failed.catch(() => {});
  return { failed, fail };
}

/** Every role in one process, which is its own bus. `view` is what the gateway's channels begin with. @throws UserError */
export async function openAlone(around: Around, read: Readable, view: MarketView): Promise<Parts> {
  const { config, clock, log, progress, lifecycle } = around;
  const { publisher, subscriber } = localBus((symbol, interval) => view.window(symbol, interval));
  const shared = new SharedSubscriber(subscriber);
  const trades = new LocalTrades();
  const { failed, fail } = failing();
  let current: number | null = null;
  const store = await openStore(around, read, (epoch) => {
    if (epoch === current) fail(new SecondWriterError());
  });
  const symbols = new SymbolWriter((entries) => read.readers.run((sql) => registerSymbols(sql, entries)), clock, log);
  const deps = { around, store, history: read.history, bus: publisher, tape: trades.tape, symbols, node: 'alone' };
  const ingest = new Ingest(deps, [wholePlan(PARTITION, config.feeds, read.readers)]);
  const partition = await explained(read.url, ingest.open(PARTITION));
  current = partition.epoch;
  // The first page is asked for at once: what catching up brought should be readable by then. Live waits for no database.
  await progress.during('Writing the history to the database', () =>
    atMost(HISTORY_WAIT_MS, clock, store.writer.drained()),
  );
  const databaseUrl = config.databaseUrl ?? read.url;
  const signals = await openSignals(around, databaseUrl, null);
  const runner = config.roles.includes('signals') ? ruleRunner(around, signals, shared.view(), view, () => true) : null;
  const service = ruleService(around, signals, view, (symbol) => runner?.reread(symbol));
  const users = await explained(databaseUrl, openUsers(around, await ownProvider(around), signals, service, null));
  const analytics = await openAnalytics(around, read, null);
  return {
    ingest,
    store,
    subscriber: shared.view(),
    users,
    statuses: subscriber,
    analytics: analytics.database,
    trades,
    live: (symbol, interval) => ingest.window(symbol, interval),
    isStoreBehind: () => store.spool.stats().recordsBehind > 0,
    storeCatchesUp: catchingUp(() => store.writer.drained(), clock),
    goLive: async () => {
      if (read.embedded) await startJobs(around, read.url);
      await lifecycle.start(toStop('feeds', () => ingest.drop(PARTITION, 'stopping')));
      if (runner !== null) await lifecycle.start(runner);
      await partition.start();
      await analytics.goLive();
    },
    notReady: () => [],
    failed,
    metrics: [
      ...relationalMetrics(signals.sql),
      ...users.metrics,
      ...(runner === null ? [] : ruleMetrics(runner)),
      ...analytics.metrics,
    ],
  };
}
