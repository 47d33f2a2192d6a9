import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Sql } from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Analytics } from '../../src/analytics/analytics.js';
import { AnalyticsUnavailable } from '../../src/analytics/database.js';
import { Filler } from '../../src/analytics/filler.js';
import { Reconciler } from '../../src/analytics/reconciler.js';
import { type AnalyticsSide, openAnalytics } from '../../src/app/analytics.js';
import { aggregatesOf, daysOf } from '../../src/app/analytics-keeper.js';
import { rebuildDays } from '../../src/app/cli/analytics.js';
import { RebuildNote } from '../../src/app/rebuild-note.js';
import type { Readable } from '../../src/app/store.js';
import { loadConfig } from '../../src/config/config.js';
import { parseFeeds } from '../../src/feed/spec.js';
import { type Clock, systemClock } from '../../src/kit/clock.js';
import { type Log, silentLog } from '../../src/kit/log.js';
import { closeRedis, type RedisClient } from '../../src/kit/redis.js';
import { Lifecycle } from '../../src/ops/lifecycle.js';
import { type Progress, ProgressLines } from '../../src/ops/progress.js';
import { setRetention } from '../../src/store/refresh.js';
import { Database } from '../../src/store/timescale/database.js';
import { json } from '../app/cli/ground.js';
import { eventually } from '../app/support.js';
import { connect, LEASE } from '../cluster/nodes.js';
import { type TestDatabase, testDatabase } from '../support/database.js';
import { RedisServer } from '../support/redis.js';
import {
  DAY_MS,
  dailyRows,
  foldDays,
  MIGRATIONS,
  MINUTE_MS,
  type Minute,
  refreshAll,
  servedAnalytics,
  store,
} from './support.js';

/** Thirty days that ended twenty days ago, of more symbols than are copied at once. */
const FROM = Math.floor(Date.now() / DAY_MS) * DAY_MS - 50 * DAY_MS;
const DAYS = 30;
const SYMBOLS = Array.from({ length: 45 }, (_, i) => `S${String(i).padStart(2, '0')}`);
const MINUTES: Minute[] = SYMBOLS.flatMap((symbol, i) =>
  Array.from({ length: DAYS }, (_, day) => {
    const [o, c] = [(i + 1).toFixed(8), (i + 1 + day / 8).toFixed(8)];
    return { symbol, t: FROM + (day + 1) * DAY_MS - MINUTE_MS, o, h: c, l: o, c, v: '2.00000000', n: 3 };
  }),
);
const date = (day: number): string => new Date(FROM + day * DAY_MS).toISOString().slice(0, 10);

let timescale: TestDatabase;
let sql: Sql;
let pool: Database;
let analytics: Awaited<ReturnType<typeof servedAnalytics>>;

beforeAll(async () => {
  [timescale, analytics] = await Promise.all([testDatabase(), servedAnalytics()]);
  sql = timescale.connect({ max: 1 });
  pool = new Database({ url: timescale.url, clock: systemClock });
  await store(sql, MINUTES);
  await refreshAll(sql, FROM, FROM + DAYS * DAY_MS);
});
afterAll(async () => {
  await pool?.close();
  await timescale?.stop();
  await analytics?.stop();
});

/** Nothing is in ClickHouse, as far as anybody can see. */
async function emptied(): Promise<void> {
  const version = Date.now() * 1000;
  await analytics.database.remove(
    [...(await dailyRows(analytics.database)).values()].map((row) => ({ ...row, version })),
  );
  expect((await dailyRows(analytics.database)).size).toBe(0);
}

/** Waits a twentieth, until it is halted: then nothing runs any more. */
class QuickClock implements Clock {
  isHalted = false;
  now = systemClock.now;
  every = (periodMs: number, run: () => void) => systemClock.every(periodMs, () => this.isHalted || run());
  after = (delayMs: number, run: () => void) => systemClock.after(delayMs / 20, () => this.isHalted || run());
}

describe('of several nodes over one ClickHouse', () => {
  let redis: RedisServer;
  const nodes: TestNode[] = [];

  interface TestNode {
    readonly side: AnalyticsSide;
    readonly clock: QuickClock;
    readonly redis: RedisClient;
    readonly lifecycle: Lifecycle;
  }

  async function node(id: string): Promise<TestNode> {
    const clock = new QuickClock();
    const lifecycle = new Lifecycle(systemClock, silentLog);
    const env = {
      ROLES: 'analytics',
      DATABASE_URL: timescale.url,
      CLICKHOUSE_URL: analytics.url,
      REDIS_URL: redis.url,
    };
    const around = {
      config: loadConfig(parseFeeds, { ...env, FEEDS: 'push', JWT_SECRET: 'x'.repeat(40) }),
      clock,
      log: silentLog,
      progress: new ProgressLines(systemClock, () => {}, false),
      lifecycle,
    };
    const membership = {
      redis: await connect(redis.url, id),
      prefix: '',
      node: { id, roles: ['analytics'], address: `${id}:8080` },
      info: () => ({}),
      clock,
      log: silentLog,
      ...LEASE,
    };
    const side = await openAnalytics(around, { url: timescale.url } as Readable, membership);
    await side.goLive();
    const made = { side, clock, redis: membership.redis, lifecycle };
    nodes.push(made);
    return made;
  }

  function metricOf({ side }: TestNode, wanted: string): number {
    const found = side.metrics.find(({ name }) => name === wanted);
    return found !== undefined && 'read' in found ? Number(found.read()) : Number.NaN;
  }
  const hasFilled = (one: TestNode): boolean => metricOf(one, 'analytics_filled_until_timestamp_seconds') > 0;

  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterAll(async () => {
    for (const { lifecycle, redis: client } of nodes) {
      await lifecycle.stop();
      closeRedis(client);
    }
    await redis?.stop();
  });

  it('one copies and compares; when it is killed another takes over, and finds all as it should be', async () => {
    const [a, b] = [await node('a'), await node('b')];
    await eventually(() => hasFilled(a) || hasFilled(b), Boolean);
    const [first, second] = hasFilled(a) ? [a, b] : [b, a];
    expect(await dailyRows(analytics.database)).toEqual(foldDays(MINUTES));
    expect(hasFilled(second)).toBe(false);
    // As kill -9: nothing of it runs any more.
    first.clock.isHalted = true;
    closeRedis(first.redis);
    await eventually(() => hasFilled(second), Boolean);
    expect(metricOf(second, 'analytics_rows_written_total')).toBe(0);
  });
});

describe('a rebuild that was cut short', () => {
  let dataDir: string;
  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'candlecast-rebuild-'));
  });
  afterAll(() => rm(dataDir, { recursive: true, force: true }));

  const shares: (number | null)[] = [];
  class Heard extends ProgressLines {
    override begin(what: string): Progress {
      const line = super.begin(what);
      shares.length = 0;
      return { finish: line.finish, update: (done) => void shares.push(done) };
    }
  }

  /** Without `to`: at noon of the 20th day, up to its midnight. */
  const rebuilt = (to?: number) =>
    json<{ to: string; symbols: number; resumedAfter: string | null; days: number; written: number }>(
      { DATABASE_URL: timescale.url, CLICKHOUSE_URL: analytics.url, DATA_DIR: dataDir },
      (ground) => {
        const progress = new Heard(ground.clock, () => {}, false);
        if (to !== undefined) return rebuildDays({ ...ground, progress }, { from: date(0), to: date(to), json: true });
        const clock = { ...ground.clock, now: () => FROM + 20.5 * DAY_MS };
        return rebuildDays({ ...ground, clock, progress }, { from: date(0), json: true });
      },
    );

  it('goes on after the last symbol that it wrote, and only the same one does', async () => {
    await emptied();
    const note = new RebuildNote(dataDir);
    const cutShort = (days: number) => note.write({ from: FROM, to: FROM + days * DAY_MS, symbol: null, done: 'S19' });
    await cutShort(20);
    expect(await rebuilt(10)).toMatchObject({ symbols: 45, resumedAfter: null, written: 450 });
    expect(shares).toEqual([20 / 45, 40 / 45, 1]);
    // Begun on another day it ends where it was to end.
    await cutShort(10);
    expect(await rebuilt()).toMatchObject({ to: date(10), symbols: 25, resumedAfter: 'S19', days: 250, written: 0 });
    await cutShort(20);
    expect(await rebuilt(20)).toMatchObject({ symbols: 25, resumedAfter: 'S19', written: 250 });
    expect(shares).toEqual([40 / 45, 1]);
    expect(await note.read()).toBeNull();
    expect(await rebuilt(20)).toMatchObject({ symbols: 45, resumedAfter: null, written: 200 });
    expect(await rebuilt(DAYS)).toMatchObject({ symbols: 45, written: 450 });
    expect(await dailyRows(analytics.database)).toEqual(foldDays(MINUTES));
  });
});

describe('without the package of the embedded engine', () => {
  it('says once what to do, to the log and to whoever asks', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'candlecast-no-chdb-'));
    const hook = `export const resolve = (name, context, next) => {
      if (name === 'chdb') throw new Error("Cannot find package 'chdb'");
      return next(name, context);
    };`;
    const load = `import { register } from 'node:module'; register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)});`;
    const warned: string[] = [];
    const log: Log = { ...silentLog, warn: (fields) => void warned.push(JSON.stringify(fields)) };
    const before = process.env.NODE_OPTIONS;
    process.env.NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(load)}`;
    const clock = new QuickClock();
    const database = new Analytics({ url: null, dataDir, migrations: MIGRATIONS, clock, log });
    const advice =
      /the embedded ClickHouse cannot be loaded .*install it with "npm install chdb".*or set CLICKHOUSE_URL/;
    try {
      for (let i = 0; i < 2; i++) {
        const error = await database.rows('SELECT 1', {}).catch((reason: unknown) => reason);
        expect(error).toBeInstanceOf(AnalyticsUnavailable);
        expect(error).toMatchObject({ message: expect.stringMatching(advice), retryAfterSeconds: null });
      }
      expect(warned).toEqual([expect.stringMatching(/npm install chdb/)]);
    } finally {
      if (before === undefined) delete process.env.NODE_OPTIONS;
      else process.env.NODE_OPTIONS = before;
      await database.stop();
      await rm(dataDir, { recursive: true, force: true });
    }
  });
});

describe('minutes that retention has dropped', () => {
  it('leave their days in ClickHouse, whoever looks', async () => {
    const expected = foldDays(MINUTES);
    expect(await dailyRows(analytics.database)).toEqual(expected);
    await setRetention(sql, 30, Date.now());
    await sql`SELECT drop_chunks('ohlcv', older_than => INTERVAL '30 days')`;
    const [left] = await sql<{ oldest: Date }[]>`SELECT min("timestamp") AS oldest FROM ohlcv`;
    expect(left?.oldest.getTime()).toBeGreaterThan(FROM + 10 * DAY_MS);
    const source = daysOf(pool);
    const parts = { source, database: analytics.database, clock: systemClock, log: silentLog };
    await new Filler({ ...parts, graceMs: 2000 }).pass();
    const checked = new Reconciler({
      ...parts,
      source: { ...source, symbols: async () => ['S44'] },
      aggregates: aggregatesOf(pool, systemClock),
      filled: () => true,
      confirmMs: 0,
      share: 1,
    });
    await checked.round();
    expect(Object.values(checked.found).reduce((sum, count) => sum + count)).toBe(0);
    expect(await dailyRows(analytics.database)).toEqual(expected);
  });
});
