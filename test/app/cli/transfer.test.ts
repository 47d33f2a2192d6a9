import { once } from 'node:events';
import { existsSync, watch } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exportCandles, importCandles, importTrades } from '../../../src/app/cli/transfer.js';
import type { Exported } from '../../../src/app/transfer/export-candles.js';
import type { Imported } from '../../../src/app/transfer/import.js';
import type { ImportedTrades } from '../../../src/app/transfer/import-trades.js';
import { systemClock } from '../../../src/kit/clock.js';
import { takeLock } from '../../../src/kit/embedded/lock.js';
import { type TestDatabase, testDatabase } from '../../support/database.js';
import { exchangeKlines, TRADES_FILE } from '../../support/oracle.js';
import { type Environment, Program } from '../../support/server.js';
import { Places } from '../support.js';
import { json, work } from './ground.js';

const MINUTE = 60_000;
const T0 = Date.UTC(2020, 0, 1);
const places = new Places();
let directory: string;
let env: Environment;
let database: TestDatabase;

beforeAll(async () => {
  [directory, database] = await Promise.all([places.directory(), testDatabase()]);
  env = { DATA_DIR: join(directory, 'data'), TIMESCALE_URL: database.url };
});

afterAll(async () => {
  await database.stop();
  await places.clear();
});

const file = (name: string): string => join(directory, name);
const exported = async (symbol: string, name: string): Promise<Exported> =>
  json(env, (g) => exportCandles(g, symbol, { interval: '1m', output: file(name), json: true }));
const candles = (name: string, options: object = {}): Promise<Imported> =>
  json(env, (g) => importCandles(g, file(name), { json: true, ...options }));
const gaps = async (symbol: string): Promise<[number, number][]> => {
  const sql = database.connect({ max: 1 });
  const rows = await sql<{ a: Date; b: Date }[]>`
    SELECT from_time AS a, to_time AS b FROM gaps WHERE symbol = ${symbol} ORDER BY 1`;
  await sql.end();
  return rows.map(({ a, b }) => [a.getTime(), b.getTime()]);
};

/** Lines of candles for minutes after T0. */
const HEADER = 'open_time_ms,open,high,low,close,volume';
const line = (minute: number, cells = '1,2,0.5,1.5,10') => `${T0 + minute * MINUTE},${cells}`;
const lines = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => line(from + i, `1,2,0.5,1.5,${from + i + 1}`));
const put = (name: string, rows: readonly string[]) => writeFile(file(name), `${HEADER}\n${rows.join('\n')}\n`);

test('trades become the exchange’s candles; export, import into nothing and export again are the same bytes', async () => {
  const done = await json<ImportedTrades>(env, (g) => importTrades(g, TRADES_FILE, { symbol: 'XRPETH', json: true }));
  expect(done).toMatchObject({ trades: 12_477, written: 3560, kept: 0, wrongLines: 0, gapsAnnounced: 0 });
  expect(await exported('XRPETH', 'a.csv.gz')).toMatchObject({ candles: 3560, gaps: 0 });
  const first = gunzipSync(await readFile(file('a.csv.gz'))).toString();
  const klines = first
    .trim()
    .split('\n')
    .slice(1)
    .map((text) => text.split(','))
    .map((cells) => [Number(cells[2]), ...cells.slice(3, 8)]);
  expect(klines).toEqual(exchangeKlines());

  const sql = database.connect({ max: 1 });
  await sql`DELETE FROM ohlcv`;
  await sql`DELETE FROM symbols`;
  await sql.end();
  expect(await candles('a.csv.gz')).toMatchObject({ symbol: 'XRPETH', written: 3560, kept: 0 });
  await exported('XRPETH', 'b.csv');
  expect(await readFile(file('b.csv'), 'utf8')).toBe(first);
  expect((await readdir(directory)).filter((name) => name.endsWith('.part'))).toEqual([]);

  // Minutes that are stored stay, unless they are to be replaced.
  await writeFile(file('changed.csv'), first.replace('0.00141418,1482.0', '0.00141418,1483.0'));
  expect(await candles('changed.csv')).toMatchObject({ written: 0, kept: 3560 });
  expect(await candles('changed.csv', { replace: true })).toMatchObject({ written: 3560, kept: 0 });
  const out = await work(env, (g) => exportCandles(g, 'XRPETH', { interval: '1m', to: '2019-10-11T00:01:00Z' }));
  expect(out.out.split('\n')[1]).toContain(',1483.00000000,');
  expect(out.err).toMatch(/^1 candles of XRPETH 1m from 2019-10-11 00:00:00 to 2019-10-11 00:01:00 UTC/);

  // A longer interval, of which only what has closed is written, is no import.
  const hours = await json<Exported>(env, (g) =>
    exportCandles(g, 'XRPETH', { interval: '1h', output: file('hours.csv'), json: true }),
  );
  expect(hours).toMatchObject({ candles: 59, to: Date.UTC(2019, 9, 13, 11) });
  await expect(candles('hours.csv')).rejects.toThrow(/hours\.csv:2: interval "1h" must be 1m/);
});

test('what a file lacks is announced, and forgotten when another one brings it', async () => {
  await put('holes.csv', [...lines(0, 3), ...lines(5, 7), ...lines(10, 12)]);
  expect(await candles('holes.csv', { symbol: 'HOLES' })).toMatchObject({
    written: 7,
    gapsAnnounced: 2,
    gapsFilled: 0,
  });
  const at = (minute: number): number => T0 + minute * MINUTE;
  expect(await gaps('HOLES')).toEqual([
    [at(3), at(5)],
    [at(7), at(10)],
  ]);
  await put('fills.csv', [...lines(3, 5), ...lines(8, 9), ...lines(20, 21)]);
  expect(await candles('fills.csv', { symbol: 'HOLES' })).toMatchObject({ written: 4, gapsFilled: 1 });
  // A gap that reaches over both ends of what was filled stands.
  expect(await gaps('HOLES')).toEqual([
    [at(7), at(10)],
    [at(12), at(20)],
  ]);
  expect((await candles('fills.csv', { symbol: 'HOLES' })).gapsAnnounced).toBe(0);
});

test.each([
  ['nothing', '', /:1: the file is empty/],
  ['no candles', `${HEADER}\n`, /has no candle to import/],
  ['another header', 'date,open\n1,2\n', /:1: "date" is no column of candles: the header must name open_time_ms, open/],
  ['a column missing', 'open_time_ms,open,high,low,close\n', /:1: the column volume is missing/],
  ['a column twice', `${HEADER},open\n`, /:1: a column is named twice/],
  ['too few fields', `${HEADER}\n1,2\n`, /:2: it has 2 fields where the header has 6/],
  [
    'seconds',
    `${HEADER}\n1577836800,1,2,0.5,1.5,1\n`,
    /:2: open_time_ms "1577836800" must be the start of a minute in epoch ms/,
  ],
  ['no minute', `${HEADER}\n${T0 + 1},1,2,0.5,1.5,1\n`, /:2: open_time_ms .* must be the start of a minute/],
  ['the future', `${HEADER}\n${Date.UTC(2999, 0)},1,2,1,1,1\n`, /:2: open_time_ms .* must be the start of a minute/],
  ['a float', `${HEADER}\n${line(0, '1e3,2,0.5,1.5,1')}\n`, /:2: open "1e3" must be a plain decimal/],
  [
    'nine decimals',
    `${HEADER}\n${line(0, '1,2,0.5,1.5,0.123456789')}\n`,
    /:2: volume "0.123456789" must be a plain decimal/,
  ],
  ['a price of zero', `${HEADER}\n${line(0, '1,2,0,1.5,1')}\n`, /:2: low "0" must be above zero/],
  [
    'high below close',
    `${HEADER}\n${line(0, '1,9,0.5,10,1')}\n`,
    /:2: high "9.00000000" must be at least open and close/,
  ],
  [
    'time backwards',
    `${HEADER}\n${line(1)}\n${line(0)}\n`,
    /:3: open_time_ms \d+ must be later than that of the line before/,
  ],
  ['two symbols', `symbol,${HEADER}\nA,${line(0)}\nB,${line(1)}\n`, /:3: symbol "B" must be "A"/, null],
  ['no symbol', `${HEADER}\n${line(0)}\n`, /say with --symbol whose candles they are/, null],
  ['junk', Buffer.from([0, 1, 2, 255, 254, 10, 0, 7]), /:1: ".*" is no column of candles/],
  [
    'cut gzip',
    gzipSync(`${HEADER}\n${lines(0, 500).join('\n')}\n`).subarray(0, 900),
    /cannot import .*is it damaged, or cut off/,
  ],
])('a file of candles with %s is refused', async (_, content, message, symbol: string | null = 'BAD') => {
  await writeFile(file('bad.csv'), content);
  const failed = await candles('bad.csv', symbol === null ? {} : { symbol }).catch((error: Error) => error);
  expect(failed).toMatchObject({ name: 'UserError', message: expect.stringMatching(message) });
});

test('the lines before a wrong one are in; with --skip-bad it is put aside and the rest as well', async () => {
  await put('some.csv', [line(0), line(1), line(2, '1,2,x,1.5,10'), line(3)]);
  await expect(candles('some.csv', { symbol: 'SOME' })).rejects.toThrow(/some\.csv:4: low "x".*--skip-bad/);
  expect(await exported('SOME', 'some-out.csv')).toMatchObject({ candles: 2 });
  expect(await candles('some.csv', { symbol: 'SOME', skipBad: true })).toMatchObject({
    written: 1,
    kept: 2,
    wrongLines: 1,
    gapsAnnounced: 1,
  });
  const aside = await readFile(join(env.DATA_DIR ?? '', 'quarantine', 'import-some.csv.ndjson'), 'utf8');
  expect(JSON.parse(aside)).toMatchObject({ line: 4, text: line(2, '1,2,x,1.5,10') });
});

test('trades: wrong and late lines are told by number, and late ones correct what was folded', async () => {
  const trade = (id: number, second: number, price: string) => `${id},${T0 + second * 1000},${price},1,buy`;
  const write = (rows: readonly string[]) =>
    writeFile(file('t.csv'), `trade_id,time_ms,price,quantity,taker_side\n${rows.join('\n')}\n`);
  const run = (more: object = {}) =>
    json<ImportedTrades>(env, (g) => importTrades(g, file('t.csv'), { symbol: 'TRADES', json: true, ...more }));
  await write([trade(1, 0, '1'), trade(2, 61, 'x')]);
  await expect(run()).rejects.toThrow(/t\.csv:3: price "x" must be a plain decimal/);
  // The minute of the first run stays as it was folded: only --replace lets another file have its way.
  await write([
    trade(1, 0, '1'),
    trade(3, 300, '3'),
    trade(2, 30, '9'),
    trade(2, 30, '9'),
    trade(4, 9000, '4'),
    trade(5, 31, '5'),
  ]);
  await expect(run({ replace: true })).rejects.toThrow(/t\.csv:7: its time is more than 60 minutes before/);
  const done = await run({ replace: true, skipBad: true });
  expect(done).toMatchObject({ trades: 4, duplicates: 1, wrongLines: 1 });
  const out = await work(env, (g) => exportCandles(g, 'TRADES', { interval: '1m' }));
  expect(out.out.split('\n')[1]).toContain(`1m,${T0},1.00000000,9.00000000,1.00000000,9.00000000,2.00000000`);
  expect(out.out.trim().split('\n')).toHaveLength(1 + 151);
});

test('an import that is killed goes on where it was, and the end is the same', async () => {
  const count = 45_000;
  await put('long.csv', lines(0, count));
  const own = { DATA_DIR: join(directory, 'killed'), TIMESCALE_URL: database.url };
  await mkdir(join(own.DATA_DIR, 'import'), { recursive: true });
  const note = join(own.DATA_DIR, 'import', 'candles-LONG.json');
  const watcher = watch(join(own.DATA_DIR, 'import'));
  const killed = new Program(['import', 'candles', file('long.csv'), '--symbol', 'LONG'], own);
  const ended = killed.exited().then(() => Promise.reject(new Error(`the import ended: ${killed.output}`)));
  ended.catch(() => {});
  while (!existsSync(note)) await Promise.race([once(watcher, 'change'), ended]);
  watcher.close();
  await killed.stop('SIGKILL');
  expect(killed.output).not.toContain('minutes from');
  const done = await json<Imported>(own, (g) => importCandles(g, file('long.csv'), { symbol: 'LONG', json: true }));
  expect(done.written).toBeLessThan(count);
  expect(done).toMatchObject({ kept: 0, gapsAnnounced: 0 });
  expect(await exported('LONG', 'long-out.csv')).toMatchObject({ candles: count, gaps: 0 });
  const volumes = (await readFile(file('long-out.csv'), 'utf8'))
    .trim()
    .split('\n')
    .slice(1)
    .map((text) => text.split(',')[7]);
  expect(volumes.every((volume, i) => volume === `${i + 1}.00000000`)).toBe(true);
  expect(existsSync(note)).toBe(false);
});

test('an import beside a server is refused, an export is not', async () => {
  await put('late.csv', [line(0)]);
  const lock = await takeLock(join(env.DATA_DIR ?? '', 'server.lock'), '', systemClock, () => {});
  await expect(candles('late.csv', { symbol: 'LATE' })).rejects.toThrow(/is in use by process \d+: stop it/);
  expect((await exported('HOLES', 'beside.csv')).candles).toBeGreaterThan(0);
  await lock.release();
  const cluster = { ...env, REDIS_URL: 'redis://h' };
  await expect(work(cluster, (g) => importCandles(g, file('late.csv'), { symbol: 'LATE' }))).rejects.toThrow(
    /REDIS_URL is set/,
  );
  await expect(exported('NONE', 'none.csv')).rejects.toThrow(/no candles of NONE; there are .*HOLES, /);
  expect(existsSync(file('none.csv'))).toBe(false);
});
