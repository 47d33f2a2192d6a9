/**
 * Signals into PostgreSQL, against bare inserts of the same rows into the same table in the same run:
 * `npx tsx bench/signals.ts [--json] [--rows 20000] [--users 1000] [--rounds 7]`, about two minutes.
 *
 * Every round empties the table and times, with the same connections: bare `INSERT … SELECT FROM unnest` of 1,000 rows a statement, with places that are
 * given (no heads, no limits, no keys, nothing answered); the store with batches of 1,000; bare inserts of one row a statement, 64 at
 * a time; and the store with single signals, 64 calls at a time, without and with an idempotency key. Ratios are per round.
 */
import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { systemClock } from '../src/kit/clock.js';
import { silentLog } from '../src/kit/log.js';
import { newSignalId } from '../src/signals/ids.js';
import type { NewSignal } from '../src/signals/signal.js';
import { SignalStore } from '../src/signals/store.js';
import { migrate } from '../src/store/migrate.js';
import { openPool, type Pool } from '../src/store/relational.js';
import { realPostgres, type TestDatabase, testDatabase } from '../test/support/database.js';
import { report, rounds } from './support/rounds.js';

const { values } = parseArgs({
  options: {
    // Read by the report.
    json: { type: 'boolean', default: false },
    rows: { type: 'string', default: '20000' },
    users: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '7' },
  },
});
const ROWS = Number(values.rows);
const SINGLE_ROWS = Math.ceil(ROWS / 4);
const USERS = Number(values.users);
const ROUNDS = Number(values.rounds);
const BATCH = 1000;
const AT_A_TIME = 64;
const TARGET = 0.5;

const MIGRATIONS = join(dirname(fileURLToPath(import.meta.url)), '..', 'sql', 'postgres');

function signals(count: number, users: readonly string[]): NewSignal[] {
  return Array.from({ length: count }, (_, i) => ({
    id: newSignalId(),
    userId: users[(i * 7919) % users.length] ?? '',
    type: 'breakout',
    symbol: `COIN${i % 200}USDT`,
    data: { price: '8321.50000000', interval: '1h', note: 'closed above the range of twenty hours' },
    expiresAt: null,
    source: 'publisher',
    ruleId: null,
    publisherId: users[0] ?? null,
    corrects: null,
    dailyLimit: 1_000_000,
  }));
}

let place = 0;

async function bare(pool: Pool, rows: readonly NewSignal[]): Promise<void> {
  await pool.query(
    `INSERT INTO signals (id, user_id, type, symbol, data, created_at, seq)
     SELECT id, user_id, type, symbol, data::jsonb, $6::timestamptz AT TIME ZONE 'UTC', seq
     FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $7::bigint[]) AS r (id, user_id, type, symbol, data, seq)`,
    [
      rows.map(({ id }) => id),
      rows.map(({ userId }) => userId),
      rows.map(({ type }) => type),
      rows.map(({ symbol }) => symbol),
      rows.map(({ data }) => JSON.stringify(data)),
      new Date(systemClock.now()).toISOString(),
      rows.map(() => ++place),
    ],
  );
}

/** Rows a second of `work` over all of `items`, some at a time. */
async function rate<T>(
  items: readonly T[],
  rowsEach: number,
  atATime: number,
  work: (item: T) => Promise<unknown>,
): Promise<number> {
  const start = process.hrtime.bigint();
  let next = 0;
  const lane = async () => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item);
  };
  await Promise.all(Array.from({ length: atATime }, lane));
  return (items.length * rowsEach) / (Number(process.hrtime.bigint() - start) / 1e9);
}

function chunks(rows: readonly NewSignal[]): (readonly NewSignal[])[] {
  return Array.from({ length: Math.ceil(rows.length / BATCH) }, (_, i) => rows.slice(i * BATCH, (i + 1) * BATCH));
}

async function measure(name: string, server: TestDatabase): Promise<void> {
  const migrator = server.connect({ max: 1 });
  await migrate({ sql: migrator, directory: MIGRATIONS, log: silentLog });
  const pool = openPool({ url: server.url, log: silentLog, deadlineMs: 60_000 });
  const store = new SignalStore(pool, systemClock);
  const users = Array.from({ length: USERS }, newSignalId);
  await pool.query(`INSERT INTO users (id, email, password_hash) SELECT u, u::text, 'x' FROM unnest($1::uuid[]) AS u`, [
    users,
  ]);
  const fresh = async () => {
    await pool.query('TRUNCATE signals, signal_heads, signal_keys, signal_acks');
    await pool.query('CHECKPOINT');
    place = 0;
  };
  const way = (count: number, run: (rows: readonly NewSignal[]) => Promise<number>) => async () => {
    await fresh();
    return await run(signals(count, users));
  };
  const key = () => ({ publisherId: users[0] ?? '', key: newSignalId(), bodyHash: randomBytes(32) });
  const results = await rounds(ROUNDS, {
    'bare, 1000': way(ROWS, (rows) => rate(chunks(rows), BATCH, 2, (chunk) => bare(pool, chunk))),
    'store, 1000': way(ROWS, (rows) => rate(chunks(rows), BATCH, 2, (chunk) => store.insert(chunk))),
    'bare, single': way(SINGLE_ROWS, (rows) => rate(rows, 1, AT_A_TIME, (row) => bare(pool, [row]))),
    'store, single': way(SINGLE_ROWS, (rows) => rate(rows, 1, AT_A_TIME, (row) => store.insert([row]))),
    'store, single, keyed': way(SINGLE_ROWS, (rows) => rate(rows, 1, AT_A_TIME, (row) => store.insert([row], key()))),
  });
  report(`Signals, ${name}: ${USERS} users`, results, {
    unit: 'signals/s',
    ratios: [
      ['store, 1000', 'bare, 1000', TARGET],
      ['store, single', 'bare, single', TARGET],
      ['store, single, keyed', 'bare, single', null],
      ['store, single', 'bare, 1000', null],
    ],
  });
  await pool.close();
}

const engines: [string, () => Promise<TestDatabase>][] = [
  ['PostgreSQL with fsync', () => realPostgres({ fsync: true })],
  ['embedded', testDatabase],
];
for (const [name, start] of engines) {
  const server = await start();
  try {
    await measure(name, server);
  } finally {
    await server.stop();
  }
}
