import type { Sql } from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../src/kit/clock.js';
import { UserError } from '../../src/kit/errors.js';
import { silentLog } from '../../src/kit/log.js';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../src/market/interval.js';
import { Jobs } from '../../src/store/jobs.js';
import { LEVELS, refreshRange, refreshView, setRetention } from '../../src/store/refresh.js';
import { type TestDatabase, testDatabase } from '../support/database.js';

let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  database = await testDatabase();
  sql = database.connect({ connection: { TimeZone: 'America/New_York' } });
});
afterAll(() => database.stop());

/** One row a minute in [from, to): price = minute number of the day, volume 1, the minute as trade id. */
async function fill(symbol: string, from: string, to: string, client = sql): Promise<void> {
  await client`
    INSERT INTO ohlcv (symbol, timestamp, open, high, low, close, volume, quote_volume, taker_buy_volume,
      taker_buy_quote_volume, trade_count, first_trade_id, last_trade_id, first_trade_time, last_trade_time, seq, epoch)
    SELECT ${symbol}, t, m, m + 0.5, m - 0.5, m + 0.25, 1, m, 0.5, 0.5, 2, m * 2, m * 2 + 1, t, t + INTERVAL '59 seconds', m * 1048576, 7
    FROM generate_series(${from}::timestamptz, ${to}::timestamptz - INTERVAL '1 minute', INTERVAL '1 minute') AS t,
      LATERAL (SELECT (extract(epoch FROM t) / 60)::bigint AS m) AS minute`;
}

/** What a level must say, computed from the minutes by other means than the aggregates. */
function oracle(symbol: string, bucket: string, client: Sql) {
  return client.unsafe(
    `SELECT ${bucket} AS bucket, (array_agg(open ORDER BY timestamp))[1] AS open, max(high) AS high, min(low) AS low,
      (array_agg(close ORDER BY timestamp DESC))[1] AS close, sum(volume) AS volume, sum(quote_volume) AS quote_volume,
      sum(taker_buy_volume) AS taker_buy_volume, sum(taker_buy_quote_volume) AS taker_buy_quote_volume,
      sum(trade_count)::bigint AS trade_count,
      (array_agg(first_trade_id ORDER BY first_trade_time) FILTER (WHERE trade_count > 0))[1] AS first_trade_id,
      (array_agg(last_trade_id ORDER BY last_trade_time DESC) FILTER (WHERE trade_count > 0))[1] AS last_trade_id,
      min(first_trade_time) AS first_trade_time, max(last_trade_time) AS last_trade_time,
      sum(revision)::bigint AS revision, max(seq) AS seq, max(epoch) AS epoch
    FROM ohlcv WHERE symbol = '${symbol}' GROUP BY 1 ORDER BY 1`,
  );
}

const BUCKETS = {
  ohlcv_5m: `date_bin('5 minutes', timestamp, '2000-01-01 UTC')`,
  ohlcv_1h: `date_trunc('hour', timestamp, 'UTC')`,
  ohlcv_1d: `date_trunc('day', timestamp, 'UTC')`,
  ohlcv_1w: `date_trunc('week', timestamp, 'UTC')`,
  ohlcv_1mon: `date_trunc('month', timestamp, 'UTC')`,
} as const;

async function expectAllLevels(symbol: string, client = sql): Promise<void> {
  for (const [view, bucket] of Object.entries(BUCKETS)) {
    const [level, expected] = await Promise.all([
      client.unsafe(`SELECT * FROM ${view} WHERE symbol = '${symbol}' ORDER BY bucket`),
      oracle(symbol, bucket, client),
    ]);
    expect(expected.length).toBeGreaterThan(0);
    expect(level.map(({ symbol: _, ...row }) => row)).toEqual([...expected]);
  }
}

/** Materialises all levels over everything that is over by `to`. */
async function materialise(from: string, to: string): Promise<void> {
  for (const { view } of LEVELS) await refreshView(sql, view, Date.parse(from), Date.parse(to));
}

describe('the interval hierarchy', () => {
  it('equals a fold of the minutes at the ends of weeks, months and years, before and after it is materialised', async () => {
    await fill('EDGES', '2023-12-30T00:00:00Z', '2024-01-02T03:04:00Z');
    await fill('EDGES', '2024-02-28T20:00:00Z', '2024-03-04T12:01:00Z');
    await expectAllLevels('EDGES');
    await materialise('2023-11-01T00:00:00Z', '2024-05-01T00:00:00Z');
    await expectAllLevels('EDGES');
  });

  it('starts weeks on Monday 00:00 UTC and months on the first', async () => {
    const starts = async (view: string) =>
      (await sql.unsafe(`SELECT bucket FROM ${view} WHERE symbol = 'EDGES' ORDER BY 1`)).map((row) =>
        row.bucket.toISOString().slice(0, 16),
      );
    expect(await starts('ohlcv_1w')).toEqual([
      '2023-12-25T00:00',
      '2024-01-01T00:00',
      '2024-02-26T00:00',
      '2024-03-04T00:00',
    ]);
    expect(await starts('ohlcv_1mon')).toEqual([
      '2023-12-01T00:00',
      '2024-01-01T00:00',
      '2024-02-01T00:00',
      '2024-03-01T00:00',
    ]);
  });

  it('takes first and last trade from the minutes that have some', async () => {
    await sql`INSERT INTO ohlcv (symbol, timestamp, open, high, low, close, volume, quote_volume, trade_count)
      VALUES ('FLAT', '2024-01-01T00:00Z', 5, 5, 5, 5, 0, 0, 0), ('FLAT', '2024-01-01T00:02Z', 6, 6, 6, 6, 0, 0, 0)`;
    await sql`INSERT INTO ohlcv (symbol, timestamp, open, high, low, close, volume, quote_volume, trade_count, first_trade_id, last_trade_id, first_trade_time, last_trade_time)
      VALUES ('FLAT', '2024-01-01T00:01Z', 5, 6, 5, 6, 1, 5, 2, 11, 12, '2024-01-01T00:01:01Z', '2024-01-01T00:01:02Z')`;
    await refreshRange(sql, Date.parse('2024-01-01T00:00Z'), Date.parse('2024-01-01T00:03Z'));
    const [day] = await sql`SELECT open, close, first_trade_id, last_trade_id FROM ohlcv_1d WHERE symbol = 'FLAT'`;
    expect(day).toEqual({ open: '5.00000000', close: '6.00000000', first_trade_id: '11', last_trade_id: '12' });
  });
});

describe('refreshRange', () => {
  it('shows a correction of materialised minutes at every level', async () => {
    await fill('FIXED', '2024-01-31T00:00:00Z', '2024-02-02T00:00:00Z');
    await refreshRange(sql, Date.parse('2024-01-31T00:00:00Z'), Date.parse('2024-02-02T00:00:00Z'));
    await expectAllLevels('FIXED');
    const at = '2024-01-31T23:59:00Z';
    await sql`UPDATE ohlcv SET high = 999999999, revision = revision + 1 WHERE symbol = 'FIXED' AND timestamp = ${at}`;
    const [stale] = await sql`SELECT max(high) AS high FROM ohlcv_1mon WHERE symbol = 'FIXED'`;
    expect(stale?.high).not.toBe('999999999.00000000');
    await refreshRange(sql, Date.parse(at), Date.parse(at) + MINUTE_MS);
    await expectAllLevels('FIXED');
  });

  it('does not hide the coming minutes of a bucket that is not over', async () => {
    const hour = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
    const iso = (time: number) => new Date(time).toISOString();
    await fill('LIVE', iso(hour - 6 * HOUR_MS), iso(hour));
    await refreshView(sql, 'ohlcv_5m', hour - 6 * HOUR_MS, hour - 2 * HOUR_MS);
    await refreshRange(sql, hour - HOUR_MS, hour);
    await fill('LIVE', iso(hour), iso(hour + 30 * MINUTE_MS));
    await expectAllLevels('LIVE');
  });
});

describe('compression and retention', () => {
  it('corrects a compressed minute', async () => {
    const chunks =
      await sql`SELECT compress_chunk(c, if_not_compressed => true) FROM show_chunks('ohlcv', older_than => '2024-02-01'::timestamptz) AS c`;
    expect(chunks.length).toBeGreaterThan(0);
    await sql`INSERT INTO ohlcv (symbol, timestamp, open, high, low, close, volume) VALUES ('EDGES', '2024-01-01T00:00Z', 1, 2, 1, 2, 9)
      ON CONFLICT (symbol, timestamp) DO UPDATE SET volume = excluded.volume, revision = ohlcv.revision + 1`;
    await refreshRange(sql, Date.parse('2024-01-01T00:00Z'), Date.parse('2024-01-01T00:01Z'));
    await expectAllLevels('EDGES');
  });

  it('sets, changes and removes the retention policy', async () => {
    const policies = async () =>
      (
        await sql`SELECT config->>'drop_after' AS after FROM timescaledb_information.jobs WHERE proc_name = 'policy_retention' AND hypertable_name = 'ohlcv'`
      ).map((row) => row.after);
    await setRetention(sql, 30, Date.now());
    await setRetention(sql, 30, Date.now());
    expect(await policies()).toEqual(['30 days']);
    await setRetention(sql, 60, Date.now());
    expect(await policies()).toEqual(['60 days']);
    await setRetention(sql, null, Date.now());
    await setRetention(sql, null, Date.now());
    expect(await policies()).toEqual([]);
  });

  it.each([0, 6, 7.5, Number.NaN])('refuses to keep minutes for %s days', async (days) => {
    await expect(setRetention(sql, days, Date.now())).rejects.toBeInstanceOf(UserError);
  });

  it('keeps the longer intervals when the minutes are dropped, whatever is refreshed after that', async () => {
    const all = async () =>
      Promise.all(
        LEVELS.map(({ view }) =>
          sql.unsafe(`SELECT * FROM ${view} WHERE symbol IN ('EDGES', 'FIXED') ORDER BY symbol, bucket`),
        ),
      );
    // The job goes on from there: from what is above it would take years in slices of two days.
    const lately = Math.floor((Date.now() - 45 * DAY_MS) / DAY_MS) * DAY_MS;
    await fill('LATELY', new Date(lately).toISOString(), new Date(lately + HOUR_MS).toISOString());
    await materialise('2023-11-01T00:00:00Z', new Date(Date.now() - 40 * DAY_MS).toISOString());
    const before = (await all()).map((rows) => [...rows]);
    await setRetention(sql, 30, Date.now());
    const jobs = new Jobs({ sql, clock: systemClock, log: silentLog });
    await jobs.runDue();
    await setRetention(sql, null, Date.now());
    expect(await sql`SELECT FROM ohlcv WHERE symbol IN ('EDGES', 'FIXED')`).toHaveLength(0);
    await refreshRange(sql, Date.parse('2024-01-01T00:00Z'), Date.now());
    expect((await all()).map((rows) => [...rows])).toEqual(before);
  });
});

describe('Jobs', () => {
  it('materialises what is over and compresses what is old, by itself', async () => {
    const now = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
    await fill('JOBS', new Date(now - 2 * DAY_MS).toISOString(), new Date(now).toISOString());
    await fill('JOBS', new Date(now - 30 * DAY_MS).toISOString(), new Date(now - 30 * DAY_MS + HOUR_MS).toISOString());
    const jobs = new Jobs({ sql, clock: systemClock, log: silentLog });
    await jobs.runDue();
    const [watermark] = await sql`
      SELECT (w / 1000)::float8 AS ms FROM _timescaledb_catalog.continuous_agg, _timescaledb_functions.cagg_watermark(mat_hypertable_id) AS w
      WHERE user_view_name = 'ohlcv_5m'`;
    expect(watermark?.ms).toBeGreaterThan(now - 3 * HOUR_MS);
    expect(watermark?.ms).toBeLessThanOrEqual(Date.now() - 2 * HOUR_MS + 5 * MINUTE_MS);
    await expectAllLevels('JOBS');
    const compressed =
      await sql`SELECT FROM timescaledb_information.chunks WHERE hypertable_name = 'ohlcv' AND is_compressed AND range_end > ${new Date(now - 30 * DAY_MS)}`;
    expect(compressed.length).toBeGreaterThan(0);
  });

  it('leaves nothing out when it is stopped in the middle', async () => {
    const fresh = await testDatabase();
    const client = fresh.connect();
    const now = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
    await fill('STOPPED', new Date(now - 3 * DAY_MS).toISOString(), new Date(now).toISOString(), client);
    const clock = steppedClock();
    const jobs = new Jobs({ sql: client, clock, log: silentLog });
    await jobs.start();
    clock.step(60_000);
    await jobs.stop();
    await expectAllLevels('STOPPED', client);
    await fresh.stop();
  });

  it('goes on with the other jobs when one fails, and says so', async () => {
    await sql.unsafe(
      `CREATE OR REPLACE PROCEDURE fails(job_id int, config jsonb) LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'on purpose'; END $$`,
    );
    await sql.unsafe(
      `CREATE OR REPLACE PROCEDURE works(job_id int, config jsonb) LANGUAGE plpgsql AS $$ BEGIN INSERT INTO worked DEFAULT VALUES; END $$`,
    );
    await sql`CREATE TABLE worked (x int)`;
    await sql`SELECT add_job('fails', '1h')`;
    await sql`SELECT add_job('works', '1h')`;
    const warned: string[] = [];
    const log = { ...silentLog, warn: (fields: object) => warned.push(JSON.stringify(fields)) };
    const jobs = new Jobs({ sql, clock: systemClock, log });
    await jobs.runDue();
    await jobs.runDue();
    expect(warned).toEqual([expect.stringContaining('on purpose')]);
    expect(await sql`SELECT FROM worked`).toHaveLength(1);
  });
});

/** A clock whose time passes when it is told to. */
function steppedClock(): Clock & { step(ms: number): void } {
  let now = Date.now();
  const runs: (() => void)[] = [];
  return {
    now: () => now,
    every: (_, run) => {
      runs.push(run);
      return () => {};
    },
    after: () => () => {},
    step(ms) {
      now += ms;
      for (const run of runs) run();
    },
  };
}
