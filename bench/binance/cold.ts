/**
 * klines that are in no memory: a real server (the built one) on the embedded TimescaleDB, and the bare query for the same rows on one
 * connection of the same database. One request at a time, each for an older stretch.
 */
import { rm } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import postgres from 'postgres';
import { silentLog } from '../../src/kit/log.js';
import { runningDatabase } from '../../src/store/embedded/running.js';
import { postgresOptions, startEmbeddedDatabase } from '../../src/store/embedded/start.js';
import { testDataDir } from '../../test/support/database.js';
import { Server } from '../../test/support/server.js';
import { type Contender, median } from '../support/rounds.js';

const SYMBOL = 'COLDUSDT';
const COUNT = 500;
const MINUTE_MS = 60_000;
const DAYS = 30;
const FIRST_MS = Date.UTC(2024, 0, 1);
const ROWS = DAYS * 1440;
/** Between the stretches of two requests: no stretch comes twice in a row, and chunks change now and then, as under a chart that scrolls back. */
const STEP = 97;

/** What `GET /api/v3/klines` tells of a minute. */
const BARE = `SELECT "timestamp", open, high, low, close, volume, quote_volume, trade_count, taker_buy_volume, taker_buy_quote_volume
  FROM ohlcv WHERE symbol = $1 AND "timestamp" >= $2::timestamptz AND "timestamp" < $3::timestamptz ORDER BY "timestamp"`;
const FILL = `INSERT INTO ohlcv (symbol, "timestamp", open, high, low, close, volume, quote_volume, taker_buy_volume,
    taker_buy_quote_volume, trade_count, first_trade_id, last_trade_id, first_trade_time, last_trade_time, seq)
  SELECT $1, t, 100 + n % 89, 101 + n % 89, 99 + n % 89, 100 + (n + 1) % 89, 12.34567891 + n % 97, 1234.5678912345678901 + n % 97,
    6.17283945, 617.28394561728394, 40, n * 40, n * 40 + 39, t + interval '17 ms', t + interval '59800 ms',
    (extract(epoch FROM t) / 60)::bigint * 1048576
  FROM (SELECT n, $2::timestamptz + n * interval '1 minute' AS t FROM generate_series(0, ${ROWS - 1}) n) minutes`;

export interface Cold {
  readonly contenders: Readonly<Record<'bare' | 'ours', Contender>>;
  /** Of each contender, over all its requests, ms. */
  medianMs(): Readonly<Record<string, number>>;
  stop(): Promise<void>;
}

export async function cold(seconds: number): Promise<Cold> {
  const dataDir = await filled();
  const server = await Server.start({ DATA_DIR: dataDir, FEEDS: 'push', LOG_LEVEL: 'error' });
  await feed(server);
  const url = await runningDatabase(dataDir);
  if (url === null) throw new Error('the server has no embedded database');
  const sql = postgres(url, { ...postgresOptions(url), max: 1 });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ours = (from: number) => klines(server, agent, from);
  const iso = (ms: number) => new Date(ms).toISOString();
  const bare = (from: number) =>
    sql.unsafe(BARE, [SYMBOL, iso(from), iso(from + COUNT * MINUTE_MS)], { prepare: true });
  await requireSame(ours, bare);
  const times: Record<string, number[]> = { bare: [], ours: [] };
  return {
    contenders: {
      bare: () => rate(bare, seconds, times.bare ?? []),
      ours: () => rate(ours, seconds, times.ours ?? []),
    },
    medianMs: () => Object.fromEntries(Object.entries(times).map(([name, all]) => [name, median(all)])),
    async stop() {
      agent.destroy();
      await sql.end();
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function filled(): Promise<string> {
  const dataDir = await testDataDir();
  const database = await startEmbeddedDatabase({ dataDir, log: silentLog });
  const sql = postgres(database.url, { ...postgresOptions(database.url), max: 1 });
  await sql`INSERT INTO symbols (symbol, source) VALUES (${SYMBOL}, 'push')`;
  await sql.unsafe(FILL, [SYMBOL, new Date(FIRST_MS).toISOString()]);
  // Without it the planner of the bare query takes the table for nearly empty, and sorts all of it.
  await sql`ANALYZE ohlcv`;
  await sql.end();
  await database.stop();
  return dataDir;
}

/** So that the symbol is live, as one that is traded: what is asked for is long before. */
async function feed(server: Server): Promise<void> {
  const trade = { symbol: SYMBOL, id: 1_000_000_000, time: Date.now(), price: '100', quantity: '1', side: 'buy' };
  const response = await fetch(`${server.url}/v1/trades`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ trades: [trade] }),
  });
  if (!response.ok) throw new Error(`the trade is not taken: ${response.status} ${await response.text()}`);
}

function klines(server: Server, agent: Agent, from: number): Promise<string> {
  const path = `/api/v3/klines?symbol=${SYMBOL}&interval=1m&limit=${COUNT}&startTime=${from}`;
  return new Promise((resolve, reject) => {
    get({ agent, host: '127.0.0.1', port: server.port, path }, (response) => {
      let body = '';
      response.setEncoding('latin1');
      response.on('data', (part: string) => {
        body += part;
      });
      response.on('end', () => (response.statusCode === 200 ? resolve(body) : reject(new Error(body))));
      response.on('error', reject);
    }).on('error', reject);
  });
}

async function requireSame(
  ours: (from: number) => Promise<string>,
  bare: (from: number) => PromiseLike<readonly object[]>,
): Promise<void> {
  const from = FIRST_MS + 1234 * MINUTE_MS;
  const rows = JSON.parse(await ours(from)) as [number, string][];
  const own = (await bare(from)) as readonly { timestamp: Date; open: string }[];
  const same = rows.every(([t, open], i) => t === own[i]?.timestamp.getTime() && open === own[i]?.open);
  if (rows.length !== COUNT || own.length !== COUNT || !same) throw new Error('the answers differ');
}

/** Requests a second, one after the other; `times` gets the milliseconds of each. */
async function rate(ask: (from: number) => PromiseLike<unknown>, seconds: number, times: number[]): Promise<number> {
  const began = performance.now();
  let count = 0;
  for (let now = began; now - began < seconds * 1000; count++) {
    const back = COUNT + ((count * STEP) % (ROWS - 2 * COUNT));
    await ask(FIRST_MS + (ROWS - COUNT - back) * MINUTE_MS);
    const then = performance.now();
    times.push(then - now);
    now = then;
  }
  return count / ((performance.now() - began) / 1000);
}
