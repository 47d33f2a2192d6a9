import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Sql } from 'postgres';
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
let sql: Sql;

beforeAll(async () => {
  const [directory, started] = await Promise.all([places.directory(), testDatabase()]);
  database = started;
  sql = database.connect({ max: 1 });
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
  const [row] = await sql<{ minutes: number; trades: number }[]>`
    SELECT count(*)::int AS minutes, sum(trade_count)::int AS trades FROM ohlcv WHERE symbol = 'NOW'`;
  expect(row).toEqual({ minutes: 8, trades: (8 * MINUTE) / 200 });
});

const DAY = 1440 * MINUTE;
const NOW = T0 + 30 * DAY;
const day = (number: number): string => new Date(T0 + (number - 1) * DAY).toISOString().slice(0, 10);

/** The published files of days of January, each with these trades: ids and minutes of the day. */
async function published(days: Readonly<Record<number, readonly (readonly [id: number, minute: number])[]>>) {
  const directory = await places.directory();
  for (const [number, trades] of Object.entries(days)) {
    const begin = T0 + (Number(number) - 1) * DAY;
    const text = trades.map(([id, minute]) => `${id},1.5,0.1,0.0,${begin + minute * MINUTE},True,True\n`);
    await writeFile(join(directory, `BTCUSDT-trades-${day(Number(number))}.csv`), text.join(''));
  }
  return directory;
}

/** As minutes of January, those that a feed has announced. */
async function announce(symbol: string, ...stretches: readonly (readonly [from: number, to: number])[]): Promise<void> {
  for (const [from, to] of stretches)
    await sql`INSERT INTO gaps (symbol, from_time, to_time, reason, seq, epoch)
      VALUES (${symbol}, ${new Date(T0 + from * MINUTE)}, ${new Date(T0 + to * MINUTE)}, 'the feed was away', ${Math.floor(from)}, 1)`;
}

async function gapsOf(symbol: string): Promise<[number, number][]> {
  const rows = await sql<{ a: Date; b: Date }[]>`
    SELECT from_time AS a, to_time AS b FROM gaps WHERE symbol = ${symbol} ORDER BY 1, 2`;
  return rows.map(({ a, b }) => [(a.getTime() - T0) / MINUTE, (b.getTime() - T0) / MINUTE]);
}

test('before the first trade of files without those of the day before nothing is filled, and that is told', async () => {
  const from = (number: number) => ({ from: day(number), to: day(number + 1), as: 'FILES' });
  await filled(NOW, {
    ...from(1),
    archive: await published({
      1: [
        [1, 0],
        [2, 1000],
      ],
    }),
  });
  await announce('FILES', [1440, 1445], [1441.5, 1441.7], [1500, 1510]);
  const archive = await published({
    2: [
      [7, 10],
      [8, 1400],
    ],
  });
  const done = await filled(NOW, { ...from(2), archive });
  expect(done).toMatchObject({ minutes: 1430, gapsFilled: 1, gapsAnnounced: 1 });
  expect(await gapsOf('FILES')).toEqual([
    [1440, 1445],
    [1440, 1450],
    [1441.5, 1441.7],
  ]);
});

test('what an exchange has no trades of fills nothing', async () => {
  await announce('NONE', [10, 20]);
  const { url, close } = await exchange([trade(1, T0 - MINUTE)]);
  await expect(filled(NOW, { from: day(1), to: day(2), rest: url, as: 'NONE' })).rejects.toThrow(
    /binance has no trades of BTCUSDT from 2020-01-01T00:00:00.000Z on: nothing was written/,
  );
  close();
  expect(await gapsOf('NONE')).toEqual([[10, 20]]);
});

test('one that stops in the middle fills what it wrote, and tells what is missing behind it', async () => {
  await filled(NOW, { from: day(3), to: day(4), as: 'TORN', archive: await published({ 3: [[9, 0]] }) });
  await announce('TORN', [100, 110], [1500, 1510]);
  const torn = await published({
    1: [
      [1, 0],
      [2, 600],
    ],
    2: [[5, 100]],
  });
  await expect(filled(NOW, { from: day(1), to: day(3), as: 'TORN', archive: torn })).rejects.toThrow(/trades 3 to 4/);
  expect(await gapsOf('TORN')).toEqual([
    [599, 2880],
    [1500, 1510],
  ]);
});
