import { join } from 'node:path';
import { Analytics } from '../analytics/analytics.js';
import { type AnalyticsDatabase, AnalyticsUnavailable } from '../analytics/database.js';
import { Filler } from '../analytics/filler.js';
import { Reconciler } from '../analytics/reconciler.js';
import type { Aggregates, DaySource } from '../analytics/source.js';
import type { ClusterOptions } from '../cluster/membership.js';
import { Ownership } from '../cluster/ownership.js';
import type { Clock } from '../kit/clock.js';
import type { Service } from '../kit/service.js';
import type { Metric } from '../ops/metrics.js';
import { oldestMinute, refreshRange } from '../store/refresh.js';
import { compareAggregates, readWatermarks } from '../store/timescale/compare.js';
import { changedDays, daySpan, readDays, settleChangedDay, symbolsAfter } from '../store/timescale/daily.js';
import { Database } from '../store/timescale/database.js';
import { analyticsMetrics } from './analytics-metrics.js';
import { type Around, toStop } from './around.js';
import { packageRoot } from './package.js';
import type { Readable } from './store.js';

/** The lease of the one node that copies and compares, where nodes share one ClickHouse. */
const COPYING = 'copying';
const STORE_DEADLINE_MS = 60_000;
/** How far the aggregates are materialised only grows. */
const WATERMARKS_MS = 60_000;

export interface AnalyticsSide {
  readonly database: AnalyticsDatabase;
  goLive(): Promise<void>;
  readonly metrics: readonly Metric[];
}

/** ClickHouse for whoever asks it, and with the role what keeps it filled. @param membership null: this process is alone. */
export async function openAnalytics(
  around: Around,
  read: Readable,
  membership: ClusterOptions | null,
): Promise<AnalyticsSide> {
  const { config, lifecycle } = around;
  const fills = config.roles.includes('analytics');
  if (!fills && config.clickhouseUrl === null) return { database: noDatabase, goLive: async () => {}, metrics: [] };
  const database = await lifecycle.start(openClickHouse(around));
  if (!fills) return { database, goLive: async () => {}, metrics: [] };
  const store = new Database({ url: read.url, clock: around.clock, deadlineMs: STORE_DEADLINE_MS });
  await lifecycle.start(toStop('analytics reader', () => store.close()));
  const keeper = new Keeper(around, store, database);
  // An embedded ClickHouse is this node's own: nobody else fills it.
  const isShared = membership !== null && config.clickhouseUrl !== null;
  return {
    database,
    goLive: async () => {
      await lifecycle.start(isShared ? leased(membership, keeper) : keeper);
    },
    metrics: analyticsMetrics(database, keeper),
  };
}

export function openClickHouse({ config, clock, log }: Around): Analytics {
  const migrations = join(packageRoot(), 'sql', 'clickhouse');
  return new Analytics({ url: config.clickhouseUrl, dataDir: config.dataDir, migrations, clock, log });
}

export function daysOf(store: Database): DaySource {
  return {
    symbols: (after, limit) => store.run((sql) => symbolsAfter(sql, after, limit)),
    span: (symbol) => store.run((sql) => daySpan(sql, symbol)),
    days: (symbols, from, to, limit) => store.run((sql) => readDays(sql, symbols, from, to, limit)),
    changed: (before, limit) => store.run((sql) => changedDays(sql, before, limit)),
    settle: (day) => store.run((sql) => settleChangedDay(sql, day)),
  };
}

export function aggregatesOf(store: Database, clock: Clock): Aggregates {
  let watermarks: ReadonlyMap<string, number> = new Map();
  let readAt = Number.NEGATIVE_INFINITY;
  return {
    compare: async (which, symbol, from, to) => {
      if (clock.now() - readAt > WATERMARKS_MS) {
        watermarks = await store.run(readWatermarks);
        readAt = clock.now();
      }
      const found = await store.run((sql) => compareAggregates(sql, which, symbol, from, to, watermarks));
      if (found.length === 0 || which !== 'short') return found;
      // Minutes that retention has dropped are no reason to doubt what was made of them.
      const oldest = await store.run(oldestMinute);
      return found.filter(({ openTime }) => openTime >= oldest);
    },
    refresh: (from, to) => store.run((sql) => refreshRange(sql, from, to, { force: true })),
  };
}

const noDatabase: AnalyticsDatabase = {
  rows: () => Promise.reject(absent()),
  insert: () => Promise.reject(absent()),
  remove: () => Promise.reject(absent()),
};

function absent(): AnalyticsUnavailable {
  return new AnalyticsUnavailable(
    'this node has no ClickHouse: set CLICKHOUSE_URL, the same one on all nodes, or give it the role analytics',
    null,
  );
}

/** The filler and the reconciler, for as long as this node is the one that has them. */
export class Keeper implements Service {
  readonly name = 'analytics keeper';
  filler: Filler;
  reconciler: Reconciler;
  readonly #make: () => [Filler, Reconciler];

  constructor({ config, clock, log }: Around, store: Database, database: AnalyticsDatabase) {
    this.#make = () => {
      const source = daysOf(store);
      const filler = new Filler({ source, database, graceMs: config.graceMs, clock, log });
      const filled = () => filler.filledUntil !== null;
      const aggregates = aggregatesOf(store, clock);
      return [filler, new Reconciler({ source, aggregates, database, filled, clock, log })];
    };
    [this.filler, this.reconciler] = this.#make();
  }

  async start(): Promise<void> {
    await this.filler.start();
    await this.reconciler.start();
  }

  async stop(): Promise<void> {
    await Promise.all([this.filler.stop(), this.reconciler.stop()]);
  }

  /** Stopped ones do not start again. */
  renew(): void {
    [this.filler, this.reconciler] = this.#make();
  }
}

/** That one node works at a time only spares work: what is written is right whoever writes it. */
function leased(membership: ClusterOptions, keeper: Keeper): Ownership {
  return new Ownership({
    ...membership,
    prefix: `${membership.prefix}analytics:`,
    partitions: [COPYING],
    take: async () => {
      keeper.renew();
      await keeper.start();
    },
    drop: () => keeper.stop(),
  });
}
