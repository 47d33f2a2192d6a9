/**
 * Daily candles from the store into ClickHouse: `npx tsx bench/analytics.ts rebuild [--json] [--symbols 1000] [--years 10] [--rounds 3]`.
 *
 * Every round empties `daily_ohlcv` and times: the rebuild (reading the days of the embedded TimescaleDB, comparing, writing), the bare
 * INSERT of the same rows from memory by the same client in the same batches, and reading alone, page by page as the rebuild does it.
 * Rebuild / bare INSERT is what is asked for; reading alone says what bounds it. The days are put straight into the
 * materialised aggregate: how they came there is not what is measured.
 */
import { parseArgs } from 'node:util';
import type { Sql } from 'postgres';
import { ClickHouse } from '../src/analytics/clickhouse.js';
import { PAGE_DAYS } from '../src/analytics/copy.js';
import type { DailyRow } from '../src/analytics/database.js';
import { findEmbeddedClickHouse } from '../src/analytics/embedded/start.js';
import { rebuild } from '../src/analytics/rebuild.js';
import { toRow } from '../src/analytics/source.js';
import { daysOf } from '../src/app/analytics-keeper.js';
import { systemClock } from '../src/kit/clock.js';
import { Database } from '../src/store/timescale/database.js';
import { embeddedAnalytics } from '../test/analytics/support.js';
import { testDatabase } from '../test/support/database.js';
import { report, rounds } from './support/rounds.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    // Read by the report.
    json: { type: 'boolean', default: false },
    symbols: { type: 'string', default: '1000' },
    years: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '5' },
  },
});
const SYMBOLS = Number(values.symbols);
const YEARS = Number(values.years);
const ROUNDS = Number(values.rounds);
const TARGET = 0.5;
const INSERT_ROWS = 50_000;
const DAY_MS = 86_400_000;
const FROM = Date.UTC(2014, 0, 1);
const TO = Date.UTC(2014 + YEARS, 0, 1);

const names = Array.from({ length: SYMBOLS }, (_, i) => `SYM${String(i).padStart(4, '0')}`);

/** Days of a shape like an exchange's, and one minute at the end of the last so that it is complete. */
async function fillStore(sql: Sql): Promise<void> {
  const [view] = await sql<{ table: string; id: number }[]>`
    SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name) AS table, mat_hypertable_id AS id
    FROM timescaledb_information.continuous_aggregates a JOIN _timescaledb_catalog.continuous_agg c ON c.user_view_name = a.view_name
    WHERE view_name = 'ohlcv_1d'`;
  if (view === undefined) throw new Error('there is no ohlcv_1d');
  for (const symbol of names) {
    await sql.unsafe(
      `INSERT INTO ${view.table} (symbol, bucket, open, high, low, close, volume, quote_volume, trade_count, revision, seq, epoch)
       SELECT $1, d, 100 + n % 997 / 7.0, 250 + n % 991 / 11.0, 50 + n % 983 / 13.0, 100 + n % 977 / 17.0, n * 1.2345678, n * 123.456789, n, 0, n, 1
       FROM (SELECT d, extract(epoch FROM d)::bigint / 86400 + length($1) AS n FROM generate_series($2::timestamptz, $3::timestamptz, interval '1 day') d) g`,
      [symbol, new Date(FROM).toISOString(), new Date(TO - DAY_MS).toISOString()],
    );
    await sql`INSERT INTO symbols (symbol, source) VALUES (${symbol}, 'bench')`;
    await sql.unsafe(
      `INSERT INTO ohlcv (symbol, timestamp, open, high, low, close, volume) VALUES ($1, $2, 1, 1, 1, 1, 1)`,
      [symbol, new Date(TO - 60_000).toISOString()],
    );
  }
  await sql`UPDATE _timescaledb_catalog.continuous_aggs_watermark SET watermark = ${TO * 1000} WHERE mat_hypertable_id = ${view.id}`;
  await sql.unsafe('ANALYZE');
}

async function main(): Promise<void> {
  const timescale = await testDatabase();
  const analytics = await embeddedAnalytics();
  const pool = new Database({ url: timescale.url, clock: systemClock, deadlineMs: 60_000 });
  try {
    await fillStore(timescale.connect({ max: 1 }));
    const source = daysOf(pool);
    const { database } = analytics;
    const rows: DailyRow[] = [];
    const readAll = async (take: (row: DailyRow) => void): Promise<void> => {
      for (const symbol of names) {
        for (let from = FROM; from < TO; ) {
          const page = await source.days([symbol], from, TO, PAGE_DAYS);
          for (const day of page.days) take(toRow(day, page.readAt));
          from = page.days.length < PAGE_DAYS ? TO : (page.days.at(-1)?.[1] ?? TO) + DAY_MS;
        }
      }
    };
    await readAll((row) => rows.push(row));
    const total = rows.length;
    const timed = async (work: () => Promise<unknown>): Promise<number> => {
      const started = performance.now();
      await work();
      return total / ((performance.now() - started) / 1000);
    };
    await database.rows('SELECT 1', {});
    const place = await findEmbeddedClickHouse(analytics.dataDir);
    if (place === null) throw new Error('the embedded ClickHouse is not to be found');
    const { client } = new ClickHouse(place);
    const empty = () => client.command({ query: 'TRUNCATE TABLE daily_ohlcv' });
    const results = await rounds(ROUNDS, {
      'bare INSERT': async () => {
        await empty();
        return await timed(async () => {
          for (let i = 0; i < total; i += INSERT_ROWS) await database.insert(rows.slice(i, i + INSERT_ROWS));
        });
      },
      rebuild: async () => {
        await empty();
        return await timed(() => rebuild(source, database, names, { from: FROM, to: TO }, async () => {}));
      },
      'reading alone': () => timed(() => readAll(() => {})),
    });
    report(`${SYMBOLS} symbols × ${YEARS} years, ${total.toLocaleString('en-US')} days`, results, {
      unit: 'rows/s',
      ratios: [
        ['rebuild', 'bare INSERT', TARGET],
        ['rebuild', 'reading alone', null],
      ],
    });
  } finally {
    await pool.close();
    await analytics.stop();
    await timescale.stop();
  }
}

if (positionals.some((mode) => mode !== 'rebuild')) {
  process.stderr.write('modes: rebuild\n');
  process.exit(2);
}
await main();
