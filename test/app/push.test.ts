import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SymbolStatus } from '../../src/market/event.js';
import { postgresOptions } from '../../src/store/embedded/start.js';
import type { ServerMessage, WireCandle } from '../../src/wire/messages.js';
import { TestClient } from '../gateway/client.js';
import { testDataDir } from '../support/database.js';
import { DatabaseServer, type Environment, Server } from '../support/server.js';
import { eventually, get, Places, post } from './support.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** A whole hour, long enough ago that everything pushed lies in the past. */
const START = Math.floor(Date.now() / HOUR) * HOUR - 4 * HOUR;
const places = new Places();
let database: DatabaseServer;
let env: Environment;
let server: Server;

beforeAll(async () => {
  const databaseDir = await testDataDir();
  places.keep(databaseDir);
  database = await DatabaseServer.start(databaseDir);
  env = { DATABASE_URL: database.url, DATA_DIR: await places.directory(), FEEDS: 'push' };
  server = await Server.start(env);
});
afterAll(async () => {
  await server?.stop();
  await database?.stop();
  await places.clear();
});

function trade(symbol: string, id: number, time: number, price: string, quantity = '1') {
  return { symbol, id, time, price, quantity, side: 'buy' };
}

async function candleOf(symbol: string, interval: string, openTime: number): Promise<WireCandle | undefined> {
  const query = `symbol=${symbol}&interval=${interval}&from=${openTime}&to=${openTime + 1}`;
  return (await get<{ candles?: WireCandle[] }>(server, `/v1/candles?${query}`)).body.candles?.[0];
}

const candles = (client: TestClient, channel: string) =>
  client.all('candle').filter((message) => message.channel === channel);

async function subscribed(...channels: string[]): Promise<TestClient> {
  const client = await TestClient.connect(server.port);
  client.send({ op: 'subscribe', channels });
  await eventually(
    () => client.all('subscribed').length,
    (count) => count === channels.length,
  );
  return client;
}

describe('a pushed trade', () => {
  it('is in the open candle over REST and WebSocket', async () => {
    expect((await post(server, [trade('LIVE', 1, Date.now(), '10')], {}, '?collector=live')).body.accepted).toBe(1);
    const client = await subscribed('candles:LIVE:1m', 'candles:LIVE:1h');
    const second = { trades: [trade('LIVE', 2, Date.now(), '12.5', '0.25')] };
    expect((await post(server, second, {}, '?collector=live')).body.accepted).toBe(1);
    for (const channel of ['candles:LIVE:1m', 'candles:LIVE:1h']) {
      const has = (m: ServerMessage) => m.type === 'candle' && m.channel === channel && m.candle.c === '12.50000000';
      const message = await client.until(has);
      expect(message).toMatchObject({ candle: { x: false, r: 0 } });
    }
    client.socket.terminate();
    const { body } = await get<{ candles: WireCandle[] }>(server, '/v1/candles?symbol=LIVE&interval=1m');
    expect(body.candles.at(-1)).toMatchObject({ c: '12.50000000' });
    expect(body.candles.reduce((sum, { n }) => sum + n, 0)).toBe(2);
  });

  it('is counted once however often it is sent', async () => {
    const twice = [trade('TWICE', 1, START, '5'), trade('TWICE', 1, START, '5')];
    expect((await post(server, twice)).body).toMatchObject({ accepted: 1, duplicates: 1 });
    expect((await post(server, twice)).body).toMatchObject({ accepted: 0, duplicates: 2 });
    expect(await candleOf('TWICE', '1m', START)).toMatchObject({ v: '1.00000000', n: 1 });
  });
});

describe('a late trade', () => {
  const late = START + 55 * MINUTE;
  const minutes = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => trade('LATE', from + i, START + (from + i) * MINUTE, '100'));
  let client: TestClient;

  it('corrects its minute and every longer interval, once each, in order', async () => {
    // A whole hour and some minutes of the next: the hour has closed.
    expect((await post(server, minutes(0, 65))).body.accepted).toBe(65);
    const names = ['1m', '5m', '15m', '1h'].map((interval) => `candles:LATE:${interval}:closed`);
    client = await subscribed(...names);
    const positions = new Map(client.all('subscribed').map(({ channel, seq }) => [channel, seq]));
    expect(await candleOf('LATE', '1h', START)).toMatchObject({ h: '100.00000000', v: '60.00000000', x: true, r: 0 });

    const answer = await post(server, [trade('LATE', 1000, late + 1, '250', '0.5')]);
    expect(answer.body).toMatchObject({ accepted: 1, corrected: 1, duplicates: 0, rejected: [] });
    for (const [index, interval] of ['1m', '5m', '15m', '1h'].entries()) {
      const channel = names[index] ?? '';
      await client.until((message) => message.type === 'candle' && message.channel === channel);
      const openTime = { '1m': late, '5m': late, '15m': START + 45 * MINUTE, '1h': START }[interval];
      const [only, ...others] = candles(client, channel);
      expect(others).toEqual([]);
      expect(only?.prev, channel).toBe(positions.get(channel));
      expect(only?.candle, channel).toMatchObject({ t: openTime, h: '250.00000000', x: true, r: 1 });
      expect(await candleOf('LATE', interval, openTime ?? 0), channel).toEqual(only?.candle);
    }
    client.socket.terminate();
  });

  it('corrects the table', async () => {
    const sql = postgres(database.url, { ...postgresOptions(database.url), max: 1 });
    const row = await eventually(
      async () => (await sql`SELECT * FROM ohlcv WHERE symbol = 'LATE' AND timestamp = ${new Date(late)}`)[0],
      (found) => found?.revision === 1,
    );
    await sql.end();
    expect(row).toMatchObject({ high: '250.00000000', close: '250.00000000', volume: '1.50000000' });
  });

  it('that is too late is refused and counted', async () => {
    const { body } = await post(server, [trade('LATE', 1001, START + MINUTE, '1')]);
    expect(body).toMatchObject({ accepted: 0, rejected: [{ index: 0, code: 'too_late' }] });
    expect(await candleOf('LATE', '1m', START + MINUTE)).toMatchObject({ l: '100.00000000', r: 0 });
  });
});

describe('kill -9', () => {
  const collector = '?collector=quiet';
  let heardAt: number;

  it('right after it an acknowledged trade is there', async () => {
    heardAt = Date.now();
    expect((await post(server, [trade('QUIET', 1, heardAt, '1')], {}, collector)).body.accepted).toBe(1);
    const burst = Array.from({ length: 500 }, (_, index) => trade('KILL', index, START + index * 300, '7', '0.01'));
    expect((await post(server, burst)).body.accepted).toBe(500);
    expect(await server.stop('SIGKILL')).toBeNull();
    server = await Server.start(env);
    const kept = [0, 1, 2].map((minute) => candleOf('KILL', '1m', START + minute * MINUTE));
    expect((await Promise.all(kept)).map((candle) => candle?.n)).toEqual([200, 200, 100]);
    expect((await post(server, burst)).body).toMatchObject({ accepted: 0, duplicates: 500 });
    expect(await candleOf('LATE', '1h', START)).toMatchObject({ h: '250.00000000', v: '60.50000000', r: 1 });
  });

  it('until a collector is heard again its symbol is stale, and the gap comes before what follows', async () => {
    const listed = await server.json<{ symbols: SymbolStatus[] }>('/v1/symbols');
    expect(listed.symbols.find(({ symbol }) => symbol === 'QUIET')?.state).toBe('stale');
    const client = await subscribed('status', 'candles:QUIET:1m');
    const state = () =>
      client
        .all('status')
        .flatMap(({ symbols }) => symbols)
        .findLast(({ symbol }) => symbol === 'QUIET')?.state;
    await eventually(state, (now) => now === 'stale');

    const after = trade('QUIET', 9, Date.now(), '2');
    await post(server, [after], {}, collector);
    await eventually(state, (now) => now === 'live');
    await client.until((message) => message.type === 'candle' && message.candle.c === '2.00000000');
    const [gap, ...more] = client.all('gap');
    expect(more).toEqual([]);
    expect(gap).toMatchObject({ to: after.time, reason: 'the collector was away' });
    expect(gap?.from).toBeGreaterThanOrEqual(heardAt);
    const order = client.messages.flatMap((message) =>
      message.type === 'gap' || (message.type === 'candle' && message.candle.c === '2.00000000') ? [message.type] : [],
    );
    expect(order[0]).toBe('gap');
    client.socket.terminate();
  });
});

it('a stop beside a database that does not answer is a clean one, and nothing acknowledged is lost', async () => {
  const engine = await database.engine();
  expect((await post(server, [trade('FROZEN', 1, START, '3')])).body.accepted).toBe(1);
  process.kill(engine, 'SIGSTOP');
  try {
    expect((await post(server, [trade('FROZEN', 2, START + 1, '4')])).body.accepted).toBe(1);
    expect(await server.stop()).toBe(0);
  } finally {
    process.kill(engine, 'SIGCONT');
  }
  server = await Server.start(env);
  expect(await candleOf('FROZEN', '1m', START)).toMatchObject({ c: '4.00000000', n: 2 });
});

it('pushed candles with their corrections are served from the store when nothing feeds them', async () => {
  const hour = await candleOf('LATE', '1h', START);
  expect(await server.stop()).toBe(0);
  const file = join(await places.directory(), 'other.csv');
  await writeFile(file, `trade_id,time_ms,price,quantity,taker_side\n1,${START},1,1,buy\n`);
  server = await Server.start({ ...env, FEEDS: `replay:${file}?speed=0&symbol=OTHER` });
  expect(await candleOf('LATE', '1h', START)).toEqual(hour);
  expect(await candleOf('LATE', '5m', START + 55 * MINUTE)).toMatchObject({ h: '250.00000000', x: true, r: 1 });
  expect(await candleOf('LATE', '1m', START + 55 * MINUTE)).toMatchObject({ h: '250.00000000', x: true, r: 1 });
  const listed = await server.json<{ symbols: SymbolStatus[] }>('/v1/symbols');
  expect(listed.symbols.find(({ symbol }) => symbol === 'LATE')).toMatchObject({ source: 'push', state: 'ended' });
  const refused = await post(server, [trade('LATE', 5000, Date.now(), '1')]);
  expect([refused.status, refused.body.detail]).toEqual([404, expect.stringMatching(/add "push" to FEEDS/)]);
});
