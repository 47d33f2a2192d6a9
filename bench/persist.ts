/**
 * Closed candles from the spool into `ohlcv`, against the server's own `INSERT … SELECT` of the same rows into the same
 * table: `npx tsx bench/persist.ts [--json] [--rows 100000] [--rounds 7]`, about two minutes.
 *
 * Every round empties the table and times three ways: the server's own copy from a table that holds the rows already (the
 * floor: no client, no protocol), the writer draining a spool that holds them (reading, decoding, checking, encoding,
 * COPY, acknowledging; appending is not timed), and an upsert of batches of the writer's size. Ratios are per round. A
 * round whose floor is more than 25 % off the median floor is void. Client and server share the machine's cores: the
 * writer needs a second one, the floor does not.
 */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Sql } from 'postgres';
import { systemClock } from '../src/kit/clock.js';
import { silentLog } from '../src/kit/log.js';
import type { CandleRecord } from '../src/store/spool/record.js';
import { Spool } from '../src/store/spool/spool.js';
import { Database } from '../src/store/timescale/database.js';
import { upsertCandles } from '../src/store/timescale/upsert.js';
import { TimescaleWriter } from '../src/store/timescale/writer.js';
import { realPostgres, type TestDatabase, testDatabase } from '../test/support/database.js';
import { median, type Results, report, rounds } from './support/rounds.js';

const { values } = parseArgs({
  options: {
    // Read by the report.
    json: { type: 'boolean', default: false },
    rows: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '7' },
  },
});
const ROWS = Number(values.rows);
const ROUNDS = Math.max(5, Number(values.rounds));
const SYMBOLS = 100;
/** As the writer takes them. */
const BATCH_ROWS = 2000;
const FLOOR_TOLERANCE = 0.25;
const TARGET = 0.45;
const FIRST = Date.UTC(2024, 0, 1);
const EPOCH = 1_700_000_000;

/** Rows as they come: minute after minute, each for all symbols; prices and volumes shaped like an exchange's. */
function candles(): CandleRecord[] {
  let state = 12345;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const price = (): string =>
    `${Math.floor(random() * 60_000)}.${String(Math.floor(random() * 1e4)).padStart(4, '0')}0000`;
  const volume = (): string => `${Math.floor(random() * 500)}.${String(Math.floor(random() * 1e8)).padStart(8, '0')}`;
  const product = (): string =>
    `${Math.floor(random() * 1e7)}.${String(Math.floor(random() * 1e8)).padStart(8, '0')}00000000`;
  return Array.from({ length: ROWS }, (_, i): CandleRecord => {
    const openTime = FIRST + Math.floor(i / SYMBOLS) * 60_000;
    const id = i * 40;
    return {
      kind: 'candle',
      epoch: EPOCH,
      candle: {
        symbol: `COIN${i % SYMBOLS}USDT`,
        interval: '1m',
        openTime,
        open: price(),
        high: price(),
        low: price(),
        close: price(),
        volume: volume(),
        quoteVolume: product(),
        takerBuyVolume: volume(),
        takerBuyQuoteVolume: product(),
        trades: 40,
        firstTradeId: id,
        lastTradeId: id + 39,
        firstTradeTime: openTime + 17,
        lastTradeTime: openTime + 59_800,
        closed: true,
        revision: 0,
        seq: (openTime / 60_000) * 2 ** 20,
      },
    };
  });
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - start) / 1e9;
}

/** A spool with the rows as they come: a group a minute. @returns its directory, to be copied */
async function fillSpool(records: readonly CandleRecord[]): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'candlecast-bench-'));
  const spool = new Spool({ directory, clock: systemClock, log: silentLog });
  await spool.start();
  for (let i = 0; i < records.length; i += SYMBOLS) await spool.append(records.slice(i, i + SYMBOLS));
  await spool.stop();
  return directory;
}

async function drain(url: string, filled: string): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'candlecast-bench-'));
  await cp(filled, directory, { recursive: true });
  const spool = new Spool({ directory, clock: systemClock, log: silentLog });
  await spool.start();
  const options = { url, source: spool, clock: systemClock, log: silentLog, quarantineDirectory: directory };
  const writer = new TimescaleWriter(options);
  const time = await seconds(async () => {
    await writer.start();
    await writer.drained();
  });
  await writer.stop();
  await spool.stop();
  await rm(directory, { recursive: true, force: true });
  return time;
}

async function upsert(database: Database, records: readonly CandleRecord[]): Promise<number> {
  return await seconds(async () => {
    for (let i = 0; i < records.length; i += BATCH_ROWS)
      await database.run((sql) => upsertCandles(sql, records.slice(i, i + BATCH_ROWS)));
  });
}

async function assertAllThere(sql: Sql): Promise<void> {
  const [row] = await sql`SELECT
    (SELECT count(*) FROM ohlcv)::int AS rows,
    (SELECT count(*) FROM (SELECT * FROM ohlcv EXCEPT SELECT * FROM bench_rows) d)::int AS other`;
  if (row?.rows !== ROWS || row?.other !== 0) throw new Error(`the table differs: ${JSON.stringify(row)}`);
}

const FLOOR = 'INSERT … SELECT';
const WRITER = 'spool → table';
const UPSERT = 'unnest upsert';

async function measure(server: TestDatabase, records: readonly CandleRecord[], filled: string): Promise<Results> {
  const sql = server.connect({ max: 1 });
  const database = new Database({ url: server.url, clock: systemClock, deadlineMs: 120_000 });
  await sql`INSERT INTO writers (partition, epoch, node) VALUES ('bench', ${EPOCH}, 'bench')`;
  await upsert(database, records);
  await sql`CREATE TABLE bench_rows AS SELECT * FROM ohlcv`;
  const checked = new Set<string>();
  const rate = (name: string, way: () => Promise<number>) => async () => {
    await sql`TRUNCATE ohlcv`;
    await sql`CHECKPOINT`;
    const time = await way();
    if (!checked.has(name)) await assertAllThere(sql);
    checked.add(name);
    return ROWS / time;
  };
  const results = await rounds(ROUNDS, {
    [FLOOR]: rate(FLOOR, () => seconds(() => sql`INSERT INTO ohlcv SELECT * FROM bench_rows`)),
    [WRITER]: rate(WRITER, () => drain(server.url, filled)),
    [UPSERT]: rate(UPSERT, () => upsert(database, records)),
  });
  await database.close();
  return results;
}

/** The rounds whose floor is near the median floor. */
function validRounds(results: Results): Results {
  const floor = results[FLOOR] ?? [];
  const middle = median(floor);
  const valid = floor.map((rate) => Math.abs(rate / middle - 1) <= FLOOR_TOLERANCE);
  return Object.fromEntries(Object.entries(results).map(([way, rates]) => [way, rates.filter((_, i) => valid[i])]));
}

const engines: [string, () => Promise<TestDatabase>][] = [
  ['PostgreSQL with fsync', () => realPostgres({ fsync: true })],
  ['embedded TimescaleDB', testDatabase],
];
const records = candles();
const filled = await fillSpool(records);
for (const [name, start] of engines) {
  const server = await start();
  try {
    const valid = validRounds(await measure(server, records, filled));
    const ratios = [[WRITER, FLOOR, TARGET] as const, [UPSERT, FLOOR, null] as const];
    const count = `${valid[FLOOR]?.length ?? 0} of ${ROUNDS} rounds valid`;
    report(`Persist, ${name}: ${ROWS} rows, ${count}`, valid, { unit: 'rows/s', ratios });
  } finally {
    await server.stop();
  }
}
await rm(filled, { recursive: true, force: true });
