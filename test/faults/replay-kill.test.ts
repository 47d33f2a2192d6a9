import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterAll, expect, it } from 'vitest';
import { postgresOptions } from '../../src/store/embedded/start.js';
import { ClosedRecorder } from '../support/closed-recorder.js';
import { testDataDir } from '../support/database.js';
import { asKline, exchangeKlines, type Kline, TRADES_FILE } from '../support/oracle.js';
import { DatabaseServer, type Environment, Server } from '../support/server.js';
import { generator } from './kit/random.js';
import { explainFailure, full, seed, times } from './kit/scenario.js';

const KILLS = times(3, 50);
const KILLS_WITH_DATABASE = times(1, 10);
const klines = exchangeKlines();
const directories: string[] = [];

afterAll(async () => {
  for (const directory of directories) await rm(directory, { recursive: true, force: true, maxRetries: 5 });
});

async function temporary(): Promise<string> {
  const directory = await testDataDir();
  directories.push(directory);
  return directory;
}

/**
 * Lives and kills of one node over one replay. A life ends after a random number of candles that a client saw close,
 * which is a random point between them for the disk and the database. The client resumes in each life.
 */
async function lives(kills: number, env: Environment, seed: number): Promise<ClosedRecorder> {
  const random = generator(seed);
  const recorder = new ClosedRecorder('candles:XRPETH:1m:closed');
  for (let killed = 0; killed < kills; killed++) {
    const server = await Server.start(env);
    await recorder.connect(server.port);
    const target = recorder.candles.length + Math.floor((random() * 1.6 * klines.length) / kills);
    await recorder.reach(Math.min(target, klines.length));
    await new Promise((resolve) => setTimeout(resolve, random() * 20));
    await server.stop('SIGKILL');
    recorder.disconnect();
  }
  const server = await Server.start(env);
  await recorder.connect(server.port);
  await recorder.reach(klines.length);
  await server.stop();
  return recorder;
}

async function table(url: string): Promise<Kline[]> {
  const sql = postgres(url, { ...postgresOptions(url), max: 1 });
  const rows = await sql`SELECT extract(epoch FROM timestamp) * 1000 AS t, open, high, low, close, volume
    FROM ohlcv WHERE symbol = 'XRPETH' ORDER BY timestamp`;
  await sql.end();
  return rows.map((row) => [Number(row.t), row.open, row.high, row.low, row.close, row.volume]);
}

// The short version is the other one, and a node beside its database is killed in together.test.ts.
it.runIf(full)(
  `kill -9 at ${KILLS} points of a replay: the client and the table still equal the exchange`,
  {
    timeout: 300_000,
  },
  async () => {
    explainFailure('replay-kill', () => undefined);
    const directory = await temporary();
    const database = await DatabaseServer.start(directory);
    const env = {
      DATA_DIR: join(directory, 'node'),
      DATABASE_URL: database.url,
      FEEDS: `replay:${TRADES_FILE}?speed=12000&symbol=XRPETH`,
    };
    const recorder = await lives(KILLS, env, seed);
    expect(recorder.faults).toEqual([]);
    expect(recorder.candles.map(asKline)).toEqual(klines);
    expect(await table(database.url)).toEqual(klines);
    await database.stop();
  },
);

it(`kill -9 of the node with its embedded database inside, ${KILLS_WITH_DATABASE} times: the same`, {
  timeout: 300_000,
}, async () => {
  const directory = await temporary();
  const env = { DATA_DIR: directory, FEEDS: `replay:${TRADES_FILE}?speed=30000&symbol=XRPETH` };
  const recorder = await lives(KILLS_WITH_DATABASE, env, seed + 1);
  expect(recorder.faults).toEqual([]);
  expect(recorder.candles.map(asKline)).toEqual(klines);
  const database = await DatabaseServer.start(directory);
  expect(await table(database.url)).toEqual(klines);
  await database.stop();
});
