// Replays: the rate to one client against a bare cursor with a bare uWebSockets.js in interleaved rounds, and the latency of live beside ten of
// them at full speed against without. See README.md. `npx tsx bench/replay.ts [--mode rate|live] [--rows 60000] [--rounds 5]`
import { execFileSync } from 'node:child_process';
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
/** Of the database, and of what reads. */
const CORE = 1;
/** Whoever measures live shares the core with the replays' readers and the database: it is not to be late because of them. */
const MAKES_WAY = 10;

async function fill(database: TestDatabase): Promise<void> {
  const sql = database.connect({ max: 1 });
  await sql.unsafe(`INSERT INTO ohlcv (symbol, timestamp, open, high, low, close, volume, trade_count, seq, epoch)
    SELECT '${SYMBOL}', to_timestamp(${START / 1000}) + n * interval '1 minute', 60000.12 + n % 700, 60900.5, 59000.25 + n % 3,
      60001.5 + n % 5, 12.345678 + n % 11, n % 400, (${START / 60_000}::bigint + n) * 1048576, 7
    FROM generate_series(0, ${ROWS - 1}) n`);
  await sql.unsafe('ANALYZE ohlcv');
}

function servers(database: TestDatabase): { readonly ours: () => Worker; readonly bare: () => Worker } {
  process.env.REPLAY_URL = database.url;
  return { ours: () => new Worker('../latency/servers/ours.ts', 0), bare: () => new Worker('../replay/bare.ts', 0) };
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

async function rates(name: string, database: TestDatabase): Promise<void> {
  const start = servers(database);
  const results = await rounds(ROUNDS, {
    ours: () => rate(start.ours(), ASK),
    bare: () => rate(start.bare(), SYMBOL),
  });
  report(`replay to one client, ${name}`, results, { unit: 'candles/s', ratios: [['ours', 'bare', 0.5]] });
}

async function live(start: () => Worker, replays: number): Promise<number> {
  const [server, load, readers] = [
    start(),
    new Worker('../latency/client.ts', CORE),
    new Worker('../replay/client.ts', CORE, [], [], MAKES_WAY),
  ];
  try {
    const { port, inletPort } = await server.ask('ready');
    if (replays > 0) await readers.ask('begin', { op: 'begin', port, ask: ASK, clients: replays });
    const begun = process.hrtime.bigint();
    const result = await load.ask('done', { op: 'run', port, inletPort, subscribe: true, ...LIVE, seconds: SECONDS });
    const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
    const { frames } = await readers.ask('end', { op: 'end' });
    process.stdout.write(
      `  ${replays} replays: p50 ${result.p50} p99 ${result.p99} max ${result.max} µs; generator p99 late ${result.lateness} µs; ` +
        `${Math.round(Number(frames) / seconds)} candles/s replayed\n`,
    );
    return Number(result.p99);
  } finally {
    await Promise.all([server.stop(), load.stop(), readers.stop()]);
  }
}

async function beside(name: string, database: TestDatabase): Promise<void> {
  const start = servers(database);
  const results = await rounds(ROUNDS, {
    beside: () => live(start.ours, REPLAYS),
    alone: () => live(start.ours, 0),
  });
  const title = `live p99, ${LIVE.clients} subscribers, ${LIVE.ratePerSecond} trades/s, beside ${REPLAYS} replays, ${name}`;
  report(title, results, { unit: 'µs', ratios: [['beside', 'alone', 1.25]], below: true });
}

// The database, which this process starts, stays off the server's core.
execFileSync('taskset', ['-cp', String(CORE), String(process.pid)]);
for (const [name, open] of [
  ['PostgreSQL', realPostgres],
  ['embedded', testDatabase],
] as const) {
  const database = await open();
  try {
    await fill(database);
    execFileSync('bash', ['-c', `renice -n ${MAKES_WAY} -p $(pgrep -P ${process.pid})`]);
    if (values.mode !== 'live') await rates(name, database);
    if (values.mode !== 'rate') await beside(name, database);
  } finally {
    await database.stop();
  }
}
