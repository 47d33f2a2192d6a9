import { symlink, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { postgresOptions } from '../../src/store/embedded/start.js';
import { eventually, get, metric, Places, post } from '../app/support.js';
import { ClosedRecorder } from '../support/closed-recorder.js';
import { testDataDir } from '../support/database.js';
import { asKline, exchangeKlines, type Kline, TRADES_FILE } from '../support/oracle.js';
import { DatabaseServer, Server } from '../support/server.js';

const klines = exchangeKlines();
const places = new Places();
let dataDir: string;
let link: string;
let database: DatabaseServer;
let server: Server;
let recorder: ClosedRecorder;

/** A place that stays the same while the database's own socket moves. */
async function serveDatabase(): Promise<string> {
  database = await DatabaseServer.start(dataDir);
  await unlink(link).catch(() => {});
  await symlink(postgresOptions(database.url).host ?? '', link);
  return database.url.replace(/@[^/]*/, `@${encodeURIComponent(link)}`);
}

beforeAll(async () => {
  dataDir = await testDataDir();
  places.keep(dataDir);
  link = join(await places.directory(), 'socket');
  server = await Server.start({
    DATA_DIR: await places.directory(),
    DATABASE_URL: await serveDatabase(),
    FEEDS: `replay:${TRADES_FILE}?speed=4000&symbol=XRPETH;push`,
  });
  recorder = new ClosedRecorder('candles:XRPETH:1m:closed');
  await recorder.connect(server.port);
  await recorder.reach(500);
});
afterAll(async () => {
  recorder?.disconnect();
  await server?.stop();
  await database?.stop();
  await places.clear();
});

const away = () => metric(server, 'writer_up');
const latest = () => get<{ candles: unknown[] }>(server, '/v1/candles?symbol=XRPETH&interval=1m&limit=50');

/** While the database is away: closes go on, trades are taken, what is in memory is served, the rest says when to ask again. */
async function livesWithoutDatabase(id: number): Promise<void> {
  const older = get<{ code: string }>(server, `/v1/candles?symbol=XRPETH&interval=1m&from=0&limit=50`);
  await recorder.reach(recorder.candles.length + 600);
  const trade = { symbol: 'AWAY', id, time: Date.now(), price: '1', quantity: '1', side: 'buy' };
  expect((await post(server, [trade])).body.accepted).toBe(1);
  const recent = await latest();
  expect([recent.status, recent.body.candles.length]).toEqual([200, 50]);
  const { status, headers, body } = await older;
  expect([status, headers.get('retry-after'), body.code]).toEqual([503, '2', 'history_unavailable']);
}

it('a frozen database', { timeout: 90_000 }, async () => {
  const pid = await database.engine();
  process.kill(pid, 'SIGSTOP');
  try {
    await livesWithoutDatabase(1);
    expect(await metric(server, 'spool_records')).toBeGreaterThan(0);
    expect(await metric(server, 'spool_oldest_seconds')).toBeGreaterThan(0);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await eventually(
    () => metric(server, 'spool_records'),
    (records) => records < 100,
    40_000,
  );
});

it('a killed database that comes back', { timeout: 90_000 }, async () => {
  process.kill(await database.engine(), 'SIGKILL');
  expect(await database.exited()).toBe(1);
  expect(database.output).toMatch(/database ended by itself/);
  await livesWithoutDatabase(2);
  expect(await away()).toBe(0);
  await serveDatabase();
  await eventually(away, (up) => up === 1, 40_000);
});

it('afterwards nothing is missing: neither for clients nor in the table', { timeout: 90_000 }, async () => {
  await recorder.reach(klines.length);
  expect(recorder.faults).toEqual([]);
  expect(recorder.candles.map(asKline)).toEqual(klines);
  await eventually(
    () => metric(server, 'spool_records'),
    (records) => records === 0,
    40_000,
  );
  const sql = postgres(database.url, { ...postgresOptions(database.url), max: 1 });
  const rows = await sql`SELECT extract(epoch FROM timestamp) * 1000 AS t, open, high, low, close, volume
    FROM ohlcv WHERE symbol = 'XRPETH' ORDER BY timestamp`;
  await sql.end();
  const table = rows.map((row): Kline => [Number(row.t), row.open, row.high, row.low, row.close, row.volume]);
  expect(table).toEqual(klines);
});
