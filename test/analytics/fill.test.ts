import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Sql } from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Analytics } from '../../src/analytics/analytics.js';
import { compareDays } from '../../src/analytics/copy.js';
import { type AnalyticsDatabase, AnalyticsUnavailable, type DailyRow } from '../../src/analytics/database.js';
import type { Difference } from '../../src/analytics/differences.js';
import { explain } from '../../src/analytics/explain.js';
import { Filler } from '../../src/analytics/filler.js';
import { Reconciler, type ReconcilerOptions } from '../../src/analytics/reconciler.js';
import type { DaySource, SourceDay } from '../../src/analytics/source.js';
import { aggregatesOf, daysOf } from '../../src/app/analytics-keeper.js';
import { type Clock, systemClock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import { noteChangedDays } from '../../src/store/timescale/daily.js';
import { Database } from '../../src/store/timescale/database.js';
import { type TestDatabase, testDatabase } from '../support/database.js';
import { exchangeKlines } from '../support/oracle.js';
import {
  DAY_MS,
  dailyRows,
  embeddedAnalytics,
  foldDays,
  LEVEL_VIEWS,
  MINUTE_MS,
  type Minute,
  refreshAll,
  servedAnalytics,
  store,
  type TestAnalytics,
} from './support.js';

/** The exchange's own minutes: a whole day and parts of two. */
const REAL: Minute[] = exchangeKlines().map(([t, o, h, l, c, v]) => ({ symbol: 'XRPETH', t, o, h, l, c, v, n: 1 }));
/** A few minutes a day for more than a year, with a hole of ten days. */
const YEAR_FROM = Date.UTC(2023, 10, 20);
const YEAR_DAYS = 420;
const HOLE = [100, 110] as const;

function generated(symbol: string, seed: number): Minute[] {
  const minutes: Minute[] = [];
  for (let day = 0; day < YEAR_DAYS; day++) {
    if (day >= HOLE[0] && day < HOLE[1]) continue;
    for (const minute of [3, 700, 1439]) {
      const k = (seed * 7919 + day * 104_729 + minute * 31) % 100_003;
      const [o, c] = [(k % 997) / 100 + 1, (k % 991) / 100 + 1];
      const text = (value: number): string => value.toFixed(8);
      const t = YEAR_FROM + day * DAY_MS + minute * MINUTE_MS;
      const [h, l] = [text(Math.max(o, c) + 0.01), text(Math.min(o, c) - 0.01)];
      minutes.push({ symbol, t, o: text(o), h, l, c: text(c), v: text((k % 10_007) / 7), n: k % 13 });
    }
  }
  return minutes;
}

const GENERATED = [...generated('GENA', 1), ...generated('GENB', 2)];
/** Where the test's clock stands: long after the data. */
const NOW = YEAR_FROM + (YEAR_DAYS + 5) * DAY_MS;
const clock: Clock = { ...systemClock, now: () => NOW };

let timescale: TestDatabase;
let sql: Sql;
let pool: Database;
let source: DaySource;
let minutes: Minute[];

beforeAll(async () => {
  timescale = await testDatabase();
  sql = timescale.connect({ max: 1 });
  pool = new Database({ url: timescale.url, clock: systemClock });
  source = daysOf(pool);
  minutes = [...REAL, ...GENERATED];
  await store(sql, minutes);
  await refreshAll(sql, REAL[0]?.t ?? 0, (REAL.at(-1)?.t ?? 0) + DAY_MS);
  await refreshAll(sql, YEAR_FROM, NOW - 40 * DAY_MS);
});
afterAll(async () => {
  await pool?.close();
  await timescale?.stop();
});

const fillerOf = ({ database }: TestAnalytics, days: DaySource = source): Filler =>
  new Filler({ source: days, database, graceMs: 2000, clock, log: silentLog });

describe.each([
  ['the embedded engine', embeddedAnalytics],
  ['CLICKHOUSE_URL', servedAnalytics],
])('daily candles in %s', (_, open) => {
  let analytics: TestAnalytics;
  beforeAll(async () => {
    analytics = await open();
  });
  afterAll(async () => {
    await analytics?.stop();
  });
  beforeEach(async () => {
    await sql`DELETE FROM changed_days`;
  });

  it('are those of an independent fold, complete days only', async () => {
    const filler = fillerOf(analytics);
    await filler.pass();
    expect(await dailyRows(analytics.database)).toEqual(foldDays(minutes));
    expect(filler.filledUntil).toBe(Math.floor((NOW - 2000) / DAY_MS) * DAY_MS);
  });

  it('are the same rows, to the version, when they are copied again', async () => {
    const versions = () => analytics.database.rows('SELECT * FROM daily_ohlcv FINAL ORDER BY symbol, date', {});
    const before = await versions();
    const filler = fillerOf(analytics);
    await filler.pass();
    expect(filler.stats.rowsWritten).toBe(0);
    expect(await versions()).toEqual(before);
  });

  it('are read page by page where a symbol has more of them than one page takes', async () => {
    const stretch = { from: Date.UTC(1995, 0, 1), to: Date.UTC(2020, 0, 1) };
    const days = (stretch.to - stretch.from) / DAY_MS;
    const asked: number[] = [];
    const long: Pick<DaySource, 'days'> = {
      async days([symbol = ''], from, to, limit) {
        asked.push(from);
        const count = Math.min(limit, (to - from) / DAY_MS);
        const day = (i: number): SourceDay => [symbol, from + i * DAY_MS, '1', '2', '0.5', '1.5', '10', '15', i];
        return { days: Array.from({ length: count }, (_, i) => day(i)), readAt: 1 };
      },
    };
    const compared = await compareDays(long, analytics.database, ['LONG'], stretch);
    expect(compared.days).toBe(days);
    expect(new Set(compared.differences.map(({ date }) => date)).size).toBe(days);
    expect(asked.length).toBeGreaterThan(2);
  });

  it('follow a revision of a past day that was noted as changed', async () => {
    const [first] = minutes.filter(({ symbol, t }) => symbol === 'GENB' && t > YEAR_FROM + 50 * DAY_MS);
    if (first === undefined) throw new Error('no minute');
    const bumped = (Number(first.v) + 1).toFixed(8);
    const revised = { ...first, v: bumped, h: '99.50000000', n: first.n + 1 };
    minutes = minutes.map((minute) => (minute === first ? revised : minute));
    await store(sql, [revised], 1);
    await refreshAll(sql, revised.t, revised.t);
    await noteChangedDays(sql, revised.t, revised.t + MINUTE_MS);
    const filler = fillerOf(analytics);
    await filler.pass();
    expect(filler.stats.rowsWritten).toBe(1);
    expect(await dailyRows(analytics.database)).toEqual(foldDays(minutes));
    expect(await sql`SELECT * FROM changed_days`).toEqual([]);
  });

  it('a day that changes while it is copied is copied again', async () => {
    const day = YEAR_FROM + 30 * DAY_MS;
    await noteChangedDays(sql, day, day + 1);
    const [changed] = await source.changed(NOW, 10);
    await noteChangedDays(sql, day, day + 1);
    if (changed !== undefined) await source.settle(changed);
    expect(await source.changed(NOW, 10)).toEqual([{ day, changes: 2 }]);
  });

  it('are exact after copying was lost in the middle, again and again', async () => {
    const version = Date.now() * 1000;
    const all = [...(await dailyRows(analytics.database)).values()];
    await analytics.database.remove(all.map(({ symbol, date }) => ({ symbol, date, version })));
    expect((await dailyRows(analytics.database)).size).toBe(0);
    for (const failAt of [0, 1, 2]) {
      let reads = 0;
      const failing: DaySource = {
        ...source,
        days: async (...given) => {
          if (reads++ >= failAt) throw new Error('lost');
          return await source.days(...given);
        },
      };
      await expect(fillerOf(analytics, failing).pass()).rejects.toThrow('lost');
    }
    await fillerOf(analytics).pass();
    expect(await dailyRows(analytics.database)).toEqual(foldDays(minutes));
  });

  it('a row read later wins, in whatever order they come', async () => {
    const row = {
      symbol: 'ORDER',
      date: '2024-01-01',
      high: 2,
      low: 1,
      close: 1,
      volume: 1,
      quoteVolume: 1,
      trades: 1,
    };
    await analytics.database.insert([{ ...row, open: 2, version: 20 }]);
    await analytics.database.insert([{ ...row, open: 1, version: 10 }]);
    const [found] = await analytics.database.rows<{ open: number }>(
      `SELECT open FROM daily_ohlcv FINAL WHERE symbol = 'ORDER'`,
      {},
    );
    expect(found?.open).toBe(2);
    await analytics.database.remove([{ symbol: 'ORDER', date: '2024-01-01', version: 21 }]);
    await analytics.database.insert([{ ...row, open: 1, version: 15 }]);
    expect(await analytics.database.rows(`SELECT 1 FROM daily_ohlcv FINAL WHERE symbol = 'ORDER'`, {})).toEqual([]);
  });
});

/** What is killed, and reconciled after that. */
let survivor: TestAnalytics;
beforeAll(async () => {
  survivor = await embeddedAnalytics();
});
afterAll(() => survivor?.stop());

describe('what is killed', () => {
  let dataDir: string;
  let database: Analytics;
  beforeAll(() => {
    ({ dataDir, database } = survivor);
  });
  const analytics = (): TestAnalytics => survivor;
  const kill = (): void => {
    if (database.pid !== null) process.kill(database.pid, 'SIGKILL');
  };

  it('a process in the middle of copying: the next one copies the rest, nothing twice', async () => {
    const entry = fileURLToPath(new URL('./fill-child.ts', import.meta.url));
    const child = fork(entry, [timescale.url, dataDir, String(NOW)], { execArgv: ['--import', 'tsx'] });
    await once(child, 'message');
    child.kill('SIGKILL');
    await once(child, 'exit');
    await eventually(() => fillerOf(analytics()).pass());
    expect(await dailyRows(database)).toEqual(foldDays(minutes));
  });

  it('the engine under a query: it fails with what happened, and the next question opens it again', async () => {
    await database.rows('SELECT 1', {});
    const slow = database.rows('SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1', {});
    setTimeout(kill, 100);
    await expect(slow).rejects.toBeInstanceOf(AnalyticsUnavailable);
    await eventually(() => database.rows('SELECT 1', {}));
    expect(await dailyRows(database)).toEqual(foldDays(minutes));
  });

  it('the engine while days are copied: another pass makes it whole', async () => {
    const all = [...(await dailyRows(database)).values()];
    await database.remove(all.map(({ symbol, date }) => ({ symbol, date, version: Date.now() * 1000 })));
    const killing: DaySource = {
      ...source,
      days: async (...given) => {
        kill();
        return await source.days(...given);
      },
    };
    await expect(fillerOf(analytics(), killing).pass()).rejects.toBeInstanceOf(AnalyticsUnavailable);
    await eventually(() => fillerOf(analytics()).pass());
    expect(await dailyRows(database)).toEqual(foldDays(minutes));
  });
});

/** Until the pause after a failure is over. */
async function eventually<T>(work: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof AnalyticsUnavailable) || Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

describe('the reconciler', () => {
  const REAL_FROM = Math.floor((REAL[0]?.t ?? 0) / DAY_MS) * DAY_MS;
  let analytics: TestAnalytics;
  beforeAll(async () => {
    analytics = survivor;
    await fillerOf(analytics).pass();
  });

  const reconciler = (
    database: AnalyticsDatabase = analytics.database,
    other: Partial<ReconcilerOptions> = {},
  ): Reconciler =>
    new Reconciler({
      source: { ...source, symbols: async () => ['XRPETH'] },
      aggregates: aggregatesOf(pool, systemClock),
      database,
      filled: () => true,
      confirmMs: 0,
      share: 1,
      clock,
      log: silentLog,
      ...other,
    });
  const withRows = (rows: AnalyticsDatabase['rows']): AnalyticsDatabase => ({
    rows,
    insert: (days) => analytics.database.insert(days),
    remove: (days) => analytics.database.remove(days),
  });
  const none = { ohlcv_5m: 0, ohlcv_1h: 0, ohlcv_1d: 0, ohlcv_1w: 0, ohlcv_1mon: 0, daily_ohlcv: 0 };

  /** Makes the first bucket of a view wrong. */
  async function plantIn(view: string): Promise<void> {
    const table = await materialised(view);
    await sql.unsafe(`UPDATE ${table} SET volume = volume + 1 WHERE symbol = 'XRPETH' AND bucket =
      (SELECT min(bucket) FROM ${table} WHERE symbol = 'XRPETH')`);
  }

  /** Where an aggregate's materialised rows are. */
  async function materialised(view: string): Promise<string> {
    const [row] = await sql<{ table: string }[]>`
      SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name) AS table
      FROM timescaledb_information.continuous_aggregates WHERE view_name = ${view}`;
    return row?.table ?? '';
  }

  it('finds nothing where all agrees', async () => {
    const checked = reconciler();
    await checked.round();
    expect(checked.found).toEqual(none);
    expect(checked.stats.bites).toBeGreaterThan(5);
  });

  it.each(LEVEL_VIEWS)('sees what was planted in %s, and puts it right', async (view) => {
    const bucket = sql`SELECT volume::text FROM ${sql(view)} WHERE symbol = 'XRPETH' ORDER BY bucket LIMIT 1`;
    const [before] = await bucket;
    await plantIn(view);
    const found = reconciler();
    await found.round();
    expect(found.found[view]).toBeGreaterThan(0);
    expect(found.differing).toEqual(none);
    expect(await bucket).toEqual([before]);
  });

  it.each([
    ['a value', (row: DailyRow) => analytics.database.insert([{ ...row, high: row.high + 1 }])],
    ['a missing row', (row: DailyRow) => analytics.database.remove([row])],
    ['a row too many', (row: DailyRow) => analytics.database.insert([{ ...row, date: dayBefore(row.date) }])],
  ])('sees %s that was planted in daily_ohlcv, and puts it right', async (_, plant) => {
    const expected = await dailyRows(analytics.database);
    const [row] = [...expected.values()].filter(({ symbol }) => symbol === 'XRPETH').slice(1);
    if (row === undefined) throw new Error('no row');
    await plant({ ...row, version: Date.now() * 1000 });
    expect(await dailyRows(analytics.database)).not.toEqual(expected);
    const found = reconciler();
    await found.round();
    expect(found.found).toEqual({ ...none, daily_ohlcv: 1 });
    expect(await dailyRows(analytics.database)).toEqual(expected);
  });

  it('counts a candle that differs for as long as it cannot be put right', async () => {
    const expected = await dailyRows(analytics.database);
    const [row] = [...expected.values()].filter(({ symbol }) => symbol === 'XRPETH');
    if (row === undefined) throw new Error('no row');
    await analytics.database.insert([{ ...row, low: row.low / 2, version: Date.now() * 1000 }]);
    let isFull = true;
    const { database } = analytics;
    const checked = reconciler({
      ...withRows((...given) => database.rows(...given)),
      insert: async (rows) => (isFull ? Promise.reject(new Error('the disk is full')) : database.insert(rows)),
    });
    await checked.round();
    expect(checked.stats).toMatchObject({ rounds: 0, failures: 1 });
    expect(checked.differing).toEqual({ ...none, daily_ohlcv: 1 });
    isFull = false;
    await checked.round();
    expect(checked.stats).toMatchObject({ rounds: 1, failures: 1 });
    expect(checked.differing).toEqual(none);
    expect(await dailyRows(database)).toEqual(expected);
  });

  it('compares everything else when something fails, and says so once', async () => {
    await plantIn('ohlcv_1h');
    const said: string[] = [];
    const log = { ...silentLog, warn: note, info: note };
    function note({ what }: { what?: string }, message: string): void {
      said.push(`${what} ${message}`);
    }
    let isAway = true;
    const { database } = analytics;
    const rows: AnalyticsDatabase['rows'] = (...given) =>
      isAway ? Promise.reject(new Error('no ClickHouse')) : database.rows(...given);
    const span: DaySource['span'] = (symbol) =>
      isAway && symbol === 'NONE' ? Promise.reject(new Error('no days')) : source.span(symbol);
    const symbols = async () => ['NONE', 'XRPETH'];
    const checked = reconciler(withRows(rows), { source: { ...source, symbols, span }, log });
    for (let i = 0; i < 2; i++) await checked.round();
    expect(checked.found).toMatchObject({ ohlcv_1h: 1, daily_ohlcv: 0 });
    expect(checked.stats).toMatchObject({ rounds: 0, failures: expect.any(Number) });
    expect(checked.stats.failures).toBeGreaterThan(3);
    expect(said.filter((line) => /cannot be compared/.test(line)).map((line) => line.split(' ')[0])).toEqual([
      'symbols',
      'days',
    ]);
    isAway = false;
    said.length = 0;
    await checked.round();
    expect(checked.stats.rounds).toBe(1);
    expect(said).toEqual(['symbols candles are compared again', 'days candles are compared again']);
  });

  it('compares aggregates for ever while no day has been copied, with ClickHouse away', async () => {
    let checked: Reconciler | null = null as Reconciler | null;
    await plantIn('ohlcv_1h');
    const quick: Clock = { ...clock, after: (delayMs, run) => clock.after(delayMs / 1000, run) };
    await new Promise<void>((resolve, reject) => {
      const log = {
        ...silentLog,
        warn: (_: object, message: string) => (/differ/.test(message) ? resolve() : reject()),
      };
      checked = reconciler(
        withRows(() => Promise.reject(new Error('no ClickHouse'))),
        { filled: () => false, clock: quick, log },
      );
      void checked.start();
    }).finally(() => checked?.stop());
    expect(checked?.found).toMatchObject({ ohlcv_1h: 1, daily_ohlcv: 0 });
    expect(checked?.stats).toMatchObject({ rounds: 0, failures: 0 });
  });

  it('tells of each difference what is and what should be, and why', async () => {
    const minute = REAL[500];
    if (minute === undefined) throw new Error('no minute');
    // Written past the writer, which would refresh what it touches.
    await store(sql, [{ ...minute, v: '12345.00000000' }], 3);
    const told: Difference[] = [];
    const stretch = { from: REAL_FROM, to: REAL_FROM + 4 * DAY_MS };
    for await (const some of explain(
      { source, aggregates: aggregatesOf(pool, systemClock), database: analytics.database },
      ['XRPETH'],
      stretch,
    ))
      told.push(...some);
    expect(new Set(told.map(({ table }) => table))).toEqual(new Set(['ohlcv_5m', 'ohlcv_1h', 'ohlcv_1d']));
    expect(told.map(({ reason }) => reason)).toEqual(
      told.map(() => 'not refreshed since revision 3 of its parts (it shows 0)'),
    );
    await aggregatesOf(pool, systemClock).refresh(REAL_FROM, stretch.to);
    minutes = minutes.map((each) => (each === minute ? { ...minute, v: '12345.00000000' } : each));
    const found = reconciler();
    await found.round();
    expect(found.found.daily_ohlcv).toBe(1);
    expect(await dailyRows(analytics.database)).toEqual(foldDays(minutes));
  });
});

function dayBefore(date: string): string {
  return new Date(Date.parse(date) - 1000 * DAY_MS).toISOString().slice(0, 10);
}
