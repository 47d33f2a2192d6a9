import { readdir, stat } from 'node:fs/promises';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SymbolStatus } from '../../src/market/event.js';
import { postgresOptions } from '../../src/store/embedded/start.js';
import type { WireCandle, WireGap } from '../../src/wire/messages.js';
import { TestClient } from '../gateway/client.js';
import { type TestDatabase, testDatabase, testDataDir } from '../support/database.js';
import { asKline, exchangeKlines, TRADES_FILE } from '../support/oracle.js';
import { DatabaseServer, Program, Server } from '../support/server.js';
import { here } from './here.js';
import { ended, eventually, get, Places } from './support.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const places = new Places();
afterAll(() => places.clear());

/** All candles of a symbol over REST, page by page. */
async function candlesOf(server: Server, symbol: string, interval = '1m'): Promise<WireCandle[]> {
  const candles: WireCandle[] = [];
  for (let start = 'from=0'; ; ) {
    type Page = { candles: WireCandle[]; next: string | null };
    const page: Page = await server.json(`/v1/candles?symbol=${symbol}&interval=${interval}&limit=1000&${start}`);
    candles.push(...page.candles);
    if (page.next === null) return candles;
    start = `cursor=${page.next}`;
  }
}

async function allCandles(server: Server, symbols: readonly string[]): Promise<Map<string, WireCandle[]>> {
  const found = new Map<string, WireCandle[]>();
  for (const symbol of symbols) found.set(symbol, await candlesOf(server, symbol));
  return found;
}

/** Asked again while the database is busy, as the protocol says. */
async function gapsOf(server: Server, symbol: string): Promise<WireGap[]> {
  const client = await TestClient.connect(server.port);
  let id = 0;
  const ask = () => {
    const asked = ++id;
    client.send({ op: 'subscribe', id: asked, channels: [`candles:${symbol}:1m`], snapshot: 1000 });
    return client.until((message) => 'id' in message && message.id === asked);
  };
  const answer = await eventually(ask, (message) => message.type === 'subscribed');
  client.socket.terminate();
  return answer.type === 'subscribed' ? answer.gaps : [];
}

/** Minutes from one candle to the next where that is not one. */
function holes(candles: readonly WireCandle[]): number[] {
  const steps = candles.slice(1).map(({ t }, index) => (t - (candles[index]?.t ?? 0)) / MINUTE);
  return steps.filter((step) => step !== 1);
}

/** Connects clients, sends the signal, and awaits that they are told to come back. @returns how long the exit took. */
async function drain(server: Server, signal: NodeJS.Signals): Promise<number> {
  const clients = await Promise.all(Array.from({ length: 3 }, () => TestClient.connect(server.port)));
  for (const client of clients) client.send({ op: 'subscribe', channels: ['status'] });
  await Promise.all(clients.map((client) => client.type('subscribed')));
  const started = performance.now();
  const code = server.stop(signal);
  expect(await Promise.all(clients.map((client) => client.closed()))).toEqual([1001, 1001, 1001]);
  expect(await code).toBe(0);
  return performance.now() - started;
}

describe('the demo', () => {
  let database: TestDatabase;
  let env: { DATA_DIR: string; DATABASE_URL: string; FEEDS: string };
  let before: Map<string, WireCandle[]>;
  let symbols: string[];
  let server: Server;

  beforeAll(async () => {
    database = await testDatabase();
    env = { DATA_DIR: await places.directory(), DATABASE_URL: database.url, FEEDS: 'demo' };
    server = await Server.start(env);
  });
  afterAll(async () => {
    await server?.stop();
    await database?.stop();
  });

  it('has two days behind it at its first start, without holes, and is marked as synthetic everywhere', async () => {
    const listed = await server.json<{ symbols: SymbolStatus[] }>('/v1/symbols');
    symbols = listed.symbols.map(({ symbol }) => symbol);
    expect(symbols.length).toBeGreaterThanOrEqual(5);
    const client = await TestClient.connect(server.port);
    client.send({ op: 'subscribe', channels: ['status'] });
    const told = await client.type('status');
    client.socket.terminate();
    for (const status of [...listed.symbols, ...told.symbols]) {
      expect(status).toMatchObject({ source: 'demo', synthetic: true, state: 'live' });
      expect(status.symbol).toMatch(/DEMO$/);
    }
    expect(told.symbols.map(({ symbol }) => symbol).sort()).toEqual(symbols);
    before = await allCandles(server, symbols);
    for (const [symbol, candles] of before) {
      // A quiet one begins with its first trade.
      expect(Date.now() - (candles[0]?.t ?? 0), symbol).toBeGreaterThanOrEqual(47 * HOUR);
      expect(holes(candles), symbol).toEqual([]);
      expect(candles.filter(({ x }) => !x).length, symbol).toBeLessThanOrEqual(2);
    }
    const quiet = before.get('XMRDEMO') ?? [];
    expect(
      quiet.some(({ n, o, h, l, c, v }) => n === 0 && new Set([o, h, l, c]).size === 1 && v === '0.00000000'),
    ).toBe(true);
  });

  it('SIGINT: clients are told to come back, and it exits within 5 s', async () => {
    expect(await drain(server, 'SIGINT')).toBeLessThan(5000);
  });

  it('makes up for a short absence and for a long one: the same candles again, no hole', async () => {
    // An absence of three hours of every second symbol, as far as the data can tell.
    const long = symbols.filter((_, index) => index % 2 === 0);
    expect(long).toContain('BTCDEMO');
    const sql = database.connect({ max: 1 });
    await sql`DELETE FROM ohlcv WHERE timestamp > now() - interval '3 hours' AND symbol = ANY(${long})`;
    server = await Server.start(env);
    const hourly = await candlesOf(server, 'BTCDEMO', '1h');
    const all = await allCandles(server, symbols);
    for (const [symbol, after] of all) {
      const closed = before.get(symbol)?.filter(({ x }) => x) ?? [];
      expect(after.slice(0, closed.length), symbol).toEqual(closed);
      expect(holes(after), symbol).toEqual([]);
      expect(await gapsOf(server, symbol), symbol).toEqual([]);
    }
    const trades = (candles: readonly WireCandle[]) => candles.reduce((sum, { n }) => sum + n, 0);
    const hours = hourly.filter(({ x }) => x);
    const end = (hours.at(-1)?.t ?? 0) + HOUR;
    const minutes = all.get('BTCDEMO')?.filter(({ t }) => t < end) ?? [];
    expect(trades(hours)).toBe(trades(minutes));
  });
});

describe('a replay as fast as it goes', () => {
  let env: { DATA_DIR: string; FEEDS: string };
  let server: Server;
  beforeAll(async () => {
    env = { DATA_DIR: await testDataDir(), FEEDS: `replay:${TRADES_FILE}?speed=0&symbol=XRPETH` };
    places.keep(env.DATA_DIR);
  });
  afterAll(async () => {
    await server?.stop();
  });

  it('a start that is interrupted leaves nothing in the way of the next', async () => {
    const first = new Program(['start'], { PORT: '0', ...env });
    await eventually(
      () => readdir(env.DATA_DIR),
      (names) => names.includes('timescale.lock'),
    );
    await first.stop('SIGTERM');
    server = await Server.start(env);
  });

  it('never answers a part of the history while the database catches up', async () => {
    const klines = exchangeKlines();
    const page = (range: string) =>
      get<{ candles: WireCandle[] }>(server, `/v1/candles?symbol=XRPETH&interval=1m&limit=1000&${range}`);
    const bounds = `from=${klines[1000]?.[0]}&to=${klines[1900]?.[0]}`;
    const right = ({ status }: { status: number }) => status === 200;
    const oldest = await eventually(() => page('from=0'), right);
    expect(oldest.body.candles.map(asKline)).toEqual(klines.slice(0, oldest.body.candles.length));
    await server.printed(/the replay has ended; the server goes on serving/);
    const part = await eventually(() => page(bounds), right);
    expect(part.body.candles).toHaveLength(900);
    expect(part.body.candles.map(asKline)).toEqual(klines.slice(1000, 1900));
  });

  it('turns the file into its candles and goes on serving', async () => {
    const candles = await eventually(
      () => candlesOf(server, 'XRPETH').catch(() => []),
      (found) => found.length > 0,
    );
    expect(candles.map(asKline)).toEqual(exchangeKlines());
    const [status] = (await server.json<{ symbols: SymbolStatus[] }>('/v1/symbols')).symbols;
    expect(status).toMatchObject({ symbol: 'XRPETH', source: 'replay', synthetic: false, state: 'ended' });
    expect((await get(server, '/readyz')).status).toBe(200);
    const page = await get<string>(server, '/');
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
  });

  it('SIGTERM, with the database inside: the same as SIGINT', async () => {
    expect(await drain(server, 'SIGTERM')).toBeLessThan(5000);
  });
});

describe('the database commands', () => {
  it('migrate makes a schema, and says when there is nothing to do', async () => {
    const DATA_DIR = await places.directory();
    const first = await ended(['db', 'migrate'], { DATA_DIR });
    expect(first.said).toMatch(/^\d+ migrations applied\.$/m);
    expect(first.code).toBe(0);
    const database = await DatabaseServer.start(DATA_DIR);
    const [directory] = [postgresOptions(database.url).host ?? ''];
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    const sql = postgres(database.url, { ...postgresOptions(database.url), max: 2 });
    expect(await sql`SELECT count(*)::int AS candles FROM ohlcv`).toEqual([{ candles: 0 }]);
    await sql.end();
    const again = await here(['db', 'migrate'], { DATA_DIR: await places.directory(), DATABASE_URL: database.url });
    expect(again).toEqual({ code: 0, said: 'The schema is up to date.\n' });
    const beside = await here(['db', 'migrate'], { DATA_DIR });
    expect(beside).toEqual({ code: 0, said: 'The schema is up to date.\n' });
    expect(await database.stop('SIGINT')).toBe(0);
  });
});
