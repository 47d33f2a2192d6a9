/**
 * Closed candles from the spool into `ohlcv`, against the server's own `INSERT … SELECT` of the same rows into the same
 * table: `npx tsx bench/persist.ts [--json] [--rows 200000] [--rounds 7]`.
 *
 * Every round empties the table and times three ways, in turning order: the server's own copy from a table that holds the
 * rows already (the floor: no client, no protocol), the writer draining a spool that holds them (reading, decoding,
 * checking, encoding, COPY, acknowledging; appending is not timed), and an upsert of the same batches. Ratios are per
 * round. A round whose floor is more than 25 % off the median floor is void. Client and server share the machine's cores.
 */
import { mkdtemp, rm } from 'node:fs/promises';
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

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rows: { type: 'string', default: '200000' },
    rounds: { type: 'string', default: '7' },
  },
});
const ROWS = Number(values.rows);
const ROUNDS = Math.max(5, Number(values.rounds));
const SYMBOLS = 100;
const BATCH_ROWS = 10_000;
const FLOOR_TOLERANCE = 0.25;
const TARGET = 0.45;
const FIRST = Date.UTC(2024, 0, 1);

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
      epoch: 1_700_000_000,
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

async function drain(url: string, records: readonly CandleRecord[]): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'candlecast-bench-'));
  const spool = new Spool({ directory, clock: systemClock, log: silentLog });
  await spool.start();
  await spool.append(records);
  const writer = new TimescaleWriter({
    url,
    source: spool,
    clock: systemClock,
    log: silentLog,
    quarantineDirectory: directory,
    batchRecords: BATCH_ROWS,
  });
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

interface Round {
  floor: number;
  writer: number;
  upsert: number;
}

async function assertAllThere(sql: Sql): Promise<void> {
  const [row] = await sql`SELECT
    (SELECT count(*) FROM ohlcv)::int AS rows,
    (SELECT count(*) FROM (SELECT * FROM ohlcv EXCEPT SELECT * FROM bench_rows) d)::int AS other`;
  if (row?.rows !== ROWS || row?.other !== 0) throw new Error(`the table differs: ${JSON.stringify(row)}`);
}

async function measure(name: string, server: TestDatabase, records: readonly CandleRecord[]): Promise<Summary> {
  const sql = server.connect({ max: 1 });
  const database = new Database({ url: server.url, clock: systemClock, deadlineMs: 120_000 });
  await upsert(database, records);
  await sql`CREATE TABLE bench_rows AS SELECT * FROM ohlcv`;
  const ways: Readonly<Record<keyof Round, () => Promise<number>>> = {
    floor: () => seconds(() => sql`INSERT INTO ohlcv SELECT * FROM bench_rows`),
    writer: () => drain(server.url, records),
    upsert: () => upsert(database, records),
  };
  const order: (keyof Round)[] = ['floor', 'writer', 'upsert'];
  const rounds: Round[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const round: Round = { floor: 0, writer: 0, upsert: 0 };
    for (const way of order) {
      await sql`TRUNCATE ohlcv`;
      await sql`CHECKPOINT`.catch(() => undefined);
      round[way] = await ways[way]();
      if (i === 0) await assertAllThere(sql);
    }
    rounds.push(round);
    order.push(...order.splice(0, 1));
  }
  await database.close();
  return summarize(name, rounds);
}

interface Spread {
  median: number;
  min: number;
  max: number;
}
interface Summary {
  engine: string;
  rows: number;
  validRounds: number;
  rowsPerSecond: Record<keyof Round, Spread>;
  ratioToFloor: Record<'writer' | 'upsert', Spread>;
}

function spread(numbers: readonly number[]): Spread {
  const sorted = [...numbers].sort((a, b) => a - b);
  return {
    median: sorted[sorted.length >> 1] ?? Number.NaN,
    min: sorted[0] ?? Number.NaN,
    max: sorted.at(-1) ?? Number.NaN,
  };
}

function summarize(engine: string, rounds: readonly Round[]): Summary {
  const middle = spread(rounds.map(({ floor }) => floor)).median;
  const valid = rounds.filter(({ floor }) => Math.abs(floor / middle - 1) <= FLOOR_TOLERANCE);
  const rate = (way: keyof Round): Spread => spread(valid.map((round) => ROWS / round[way]));
  const ratio = (way: keyof Round): Spread => spread(valid.map((round) => round.floor / round[way]));
  return {
    engine,
    rows: ROWS,
    validRounds: valid.length,
    rowsPerSecond: { floor: rate('floor'), writer: rate('writer'), upsert: rate('upsert') },
    ratioToFloor: { writer: ratio('writer'), upsert: ratio('upsert') },
  };
}

function line(text = ''): void {
  if (!values.json) process.stdout.write(`${text}\n`);
}

function print(summary: Summary): void {
  const show = ({ median, min, max }: Spread, digits: number): string =>
    `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`;
  line(`${summary.engine}: ${summary.rows} rows, ${summary.validRounds} of ${ROUNDS} rounds valid, median (range)`);
  line(`  INSERT … SELECT  ${show(summary.rowsPerSecond.floor, 0)} rows/s`);
  line(
    `  spool → table    ${show(summary.rowsPerSecond.writer, 0)} rows/s, ratio ${show(summary.ratioToFloor.writer, 2)} (target ${TARGET})`,
  );
  line(
    `  unnest upsert    ${show(summary.rowsPerSecond.upsert, 0)} rows/s, ratio ${show(summary.ratioToFloor.upsert, 2)}`,
  );
  line();
}

const engines: [string, () => Promise<TestDatabase>][] = [
  ['PostgreSQL with fsync', () => realPostgres({ fsync: true })],
  ['embedded TimescaleDB', testDatabase],
];
const records = candles();
const results: Summary[] = [];
for (const [name, start] of engines) {
  const server = await start();
  try {
    const summary = await measure(name, server, records);
    print(summary);
    results.push(summary);
  } finally {
    await server.stop();
  }
}
if (values.json) process.stdout.write(`${JSON.stringify({ bench: 'persist', target: TARGET, results })}\n`);
