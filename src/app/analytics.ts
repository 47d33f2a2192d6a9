import { join } from 'node:path';
import { Analytics } from '../analytics/analytics.js';
import { type AnalyticsDatabase, AnalyticsUnavailable } from '../analytics/database.js';
import type { ClusterOptions } from '../cluster/membership.js';
import { Ownership } from '../cluster/ownership.js';
import type { Metric } from '../ops/metrics.js';
import { Database } from '../store/timescale/database.js';
import { Keeper } from './analytics-keeper.js';
import { analyticsMetrics } from './analytics-metrics.js';
import { type Around, toStop } from './around.js';
import { packageRoot } from './package.js';
import type { Readable } from './store.js';

/** The lease of the one node that copies and compares, where nodes share one ClickHouse. */
const COPYING = 'copying';
const STORE_DEADLINE_MS = 60_000;
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
