import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Backfilled } from '../../../src/app/backfill.js';
import { backfill } from '../../../src/app/cli/backfill.js';
import { systemClock } from '../../../src/kit/clock.js';
import { binanceDialect } from '../../feed/venues/dialects.js';
import type { TrueTrade } from '../../feed/venues/truth.js';
import { type TestDatabase, testDatabase } from '../../support/database.js';
import type { Environment } from '../../support/server.js';
import { Places } from '../support.js';
import { json } from './ground.js';

const MINUTE = 60_000;
const T0 = Date.UTC(2020, 0, 1);
const places = new Places();
let env: Environment;
let database: TestDatabase;

beforeAll(async () => {
  const [directory, started] = await Promise.all([places.directory(), testDatabase()]);
  database = started;
  env = { DATA_DIR: join(directory, 'data'), TIMESCALE_URL: database.url };
});

afterAll(async () => {
  await database.stop();
  await places.clear();
});

/** At `nowMs` by the clock. */
function filled(nowMs: number, options: Parameters<typeof backfill>[3]): Promise<Backfilled> {
  const ahead = nowMs - Date.now();
  const clock = { ...systemClock, now: () => Date.now() + ahead };
  return json(env, (ground) => backfill({ ...ground, clock }, 'binance', 'BTCUSDT', { ...options, json: true }));
}

/** Refuses every page of trades from the one with this number on. */
async function exchange(trades: readonly TrueTrade[]) {
  const { rest } = binanceDialect('trade');
  const state = { pages: [] as number[], refuseFrom: Number.POSITIVE_INFINITY };
  const http = createServer((request, response) => {
    const url = new URL(`http://x${request.url}`);
    const fromId = url.searchParams.get('fromId');
    if (fromId !== null) state.pages.push(Number(fromId));
    if (state.pages.length >= state.refuseFrom) response.writeHead(400).end('{}');
    else response.end(rest(url, () => trades) ?? '[]');
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  return { state, url, close: () => http.close() };
}

const trade = (id: number, time: number): TrueTrade => ({
  native: 'BTCUSDT',
  id,
  time,
  price: '1.5',
  quantity: '0.1',
  side: 'buy',
});

test('what was to go up to now goes on where it stopped, and up to now', async () => {
  const trades = Array.from({ length: 2500 }, (_, i) => trade(i, T0 - 1000 + i * 200));
  const { state, url, close } = await exchange(trades);
  const options = { from: String(T0), rest: url, as: 'NOW' };
  state.refuseFrom = 3;
  await expect(filled(T0 + 7.5 * MINUTE, options)).rejects.toThrow(/400/);
  state.refuseFrom = Number.POSITIVE_INFINITY;
  const [begun = 0] = state.pages.splice(0);
  const done = await filled(T0 + 8.5 * MINUTE, options);
  close();
  expect(done).toMatchObject({ from: T0, to: T0 + 8 * MINUTE, resumedAt: T0 + 6 * MINUTE, minutes: 2 });
  expect(state.pages[0]).toBeGreaterThan(begun + 1500);
  const sql = database.connect({ max: 1 });
  const [row] = await sql<{ minutes: number; trades: number }[]>`
    SELECT count(*)::int AS minutes, sum(trade_count)::int AS trades FROM ohlcv WHERE symbol = 'NOW'`;
  await sql.end();
  expect(row).toEqual({ minutes: 8, trades: (8 * MINUTE) / 200 });
});
