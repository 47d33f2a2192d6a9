// Replays: the rate to one client against a bare cursor with a bare uWebSockets.js in interleaved rounds, and the latency of live beside ten of
// them at full speed against without. See README.md. `npx tsx bench/replay.ts [--mode rate|live] [--rows 60000] [--rounds 5]`
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { realPostgres, type TestDatabase, testDatabase } from '../test/support/database.js';
import { Worker } from './fanout/process.js';
import { report, rounds } from './support/rounds.js';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    mode: { type: 'string' },
    rows: { type: 'string', default: '60000' },
    rounds: { type: 'string', default: '5' },
  },
});
const ROWS = Number(values.rows);
const ROUNDS = Number(values.rounds);
const SECONDS = Number(process.env.BENCH_SECONDS ?? 5);
const SYMBOL = 'DEEPUSDT';
const START = Date.UTC(2026, 0, 5);
const replay = { from: START, to: START + ROWS * 60_000, speed: 0 };
const ASK = JSON.stringify({ op: 'subscribe', channels: [`candles:${SYMBOL}:1m:closed`], replay });
const REPLAYS = 10;
const LIVE = { clients: 50, ratePerSecond: 200 };
/** The server's. */
const SERVER_CORE = 0;
/** Whoever measures live has it to itself; in the rates, the database and the reader. */
const CORE = 1;

async function fill(database: TestDatabase): Promise<void> {
  const sql = database.connect({ max: 1 });
  await sql.unsafe(`INSERT INTO ohlcv (symbol, timestamp, open, high, low, close, volume, trade_count, seq, epoch)
    SELECT '${SYMBOL}', to_timestamp(${START / 1000}) + n * interval '1 minute', 60000.12 + n % 700, 60900.5, 59000.25 + n % 3,
      60001.5 + n % 5, 12.345678 + n % 11, n % 400, (${START / 60_000}::bigint + n) * 1048576, 7
    FROM generate_series(0, ${ROWS - 1}) n`);
  await sql.unsafe('ANALYZE ohlcv');
}

const ours = (): Worker => new Worker('../latency/servers/ours.ts', SERVER_CORE);
const bare = (idle = false): Worker => new Worker('../replay/bare.ts', SERVER_CORE, [], [], idle);

/** Beside live, what serves replays shares the server's core and gets what it leaves of it: so the load is never late. */
function makeWay(): void {
  const each = `chrt --all-tasks --idle --pid 0 $pid; taskset --all-tasks --cpu-list --pid ${SERVER_CORE} $pid`;
  execFileSync('bash', ['-c', `for pid in $(pgrep -P ${process.pid}); do ${each}; done`]);
}

/**
 * Linux weighs sessions against each other before it looks at the policies of their processes, and a backend of PostgreSQL is a session:
 * see "autogroup" in sched(7). What is started afterwards is weighed by its policy alone.
 */
function weighProcesses(): void {
  const setting = '/proc/sys/kernel/sched_autogroup_enabled';
  if (!existsSync(setting)) return;
  const before = readFileSync(setting, 'utf8');
  writeFileSync(setting, '0');
  process.on('exit', () => writeFileSync(setting, before));
}

/** Candles a second from the request to the end. */
async function rate(server: Worker, ask: string): Promise<number> {
  const load = new Worker('../replay/client.ts', CORE);
  try {
    const { port } = await server.ask('ready');
    const once = { op: 'once', port, ask, clients: 1 };
    await load.ask('once', once);
    const { micros, frames } = await load.ask('once', once);
    if (Number(frames) < ROWS) throw new Error(`${frames} frames`);
    return (ROWS / Number(micros)) * 1e6;
  } finally {
    await load.stop();
    await server.stop();
  }
}

async function rates(name: string): Promise<void> {
  const results = await rounds(ROUNDS, {
    ours: () => rate(ours(), ASK),
    bare: () => rate(bare(), SYMBOL),
  });
  report(`replay to one client, ${name}`, results, { unit: 'candles/s', ratios: [['ours', 'bare', 0.5]] });
}

/** By whom the replays beside live are served: the same server, a bare process of its own that makes way for it, nobody. */
type Beside = 'ours' | 'bare' | null;

/** p99 of live, µs. */
async function live(replays: Beside): Promise<number> {
  const server = ours();
  const load = new Worker('../latency/client.ts', CORE);
  const apart = replays === 'bare' ? bare(true) : null;
  const readers = new Worker('../replay/client.ts', SERVER_CORE, [], [], true);
  const workers = [server, load, readers, ...(apart === null ? [] : [apart])];
  try {
    const { port, inletPort } = await server.ask('ready');
    const other = apart === null ? null : await apart.ask('ready');
    const [from, ask] = other === null ? [port, ASK] : [other.port, SYMBOL];
    if (replays !== null) await readers.ask('begin', { op: 'begin', port: from, ask, clients: REPLAYS });
    const begun = process.hrtime.bigint();
    const result = await load.ask('done', { op: 'run', port, inletPort, subscribe: true, ...LIVE, seconds: SECONDS });
    const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
    const { frames } = await readers.ask('end', { op: 'end' });
    process.stdout.write(
      `  replays by ${replays ?? 'nobody'}: p50 ${result.p50} p99 ${result.p99} max ${result.max} µs; ` +
        `generator p99 late ${result.lateness} µs; ${Math.round(Number(frames) / seconds)} candles/s replayed\n`,
    );
    return Number(result.p99);
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()));
  }
}

async function beside(name: string): Promise<void> {
  makeWay();
  const awake = [SERVER_CORE, CORE].map((core) => new Worker('../replay/awake.ts', core, [], [], true));
  const results = await rounds(ROUNDS, {
    beside: () => live('ours'),
    apart: () => live('bare'),
    alone: () => live(null),
  });
  await Promise.all(awake.map((worker) => worker.stop()));
  const title = `live p99, ${LIVE.clients} subscribers, ${LIVE.ratePerSecond} trades/s, beside ${REPLAYS} replays, ${name}`;
  const ratios = [
    ['beside', 'alone', 1.25],
    ['apart', 'alone', null],
    ['beside', 'apart', null],
  ] as const;
  report(title, results, { unit: 'µs', ratios, below: true });
}

weighProcesses();
// The database, which this process starts, stays off the server's core.
execFileSync('taskset', ['-cp', String(CORE), String(process.pid)]);
for (const [name, open] of [
  ['PostgreSQL', realPostgres],
  ['embedded', testDatabase],
] as const) {
  const database = await open();
  try {
    await fill(database);
    process.env.REPLAY_URL = database.url;
    if (values.mode !== 'live') await rates(name);
    if (values.mode !== 'rate') await beside(name);
  } finally {
    await database.stop();
  }
}
