import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { deflateRawSync, gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { WireCandle } from '../../src/wire/messages.js';
import { binanceDialect } from '../feed/venues/dialects.js';
import type { TrueTrade } from '../feed/venues/truth.js';
import { testDataDir } from '../support/database.js';
import { asKline, exchangeKlines, TRADES_FILE } from '../support/oracle.js';
import { Program, Server } from '../support/server.js';
import { here } from './here.js';
import { ended, Places } from './support.js';

const places = new Places();
const klines = exchangeKlines();
const trades: TrueTrade[] = gunzipSync(readFileSync(TRADES_FILE))
  .toString()
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => {
    const [id = '', time = '', price = '', quantity = '', side = ''] = line.split(',');
    return {
      native: 'XRPETH',
      id: Number(id),
      time: Number(time),
      price,
      quantity,
      side: side === 'buy' ? 'buy' : 'sell',
    };
  });
const MIDDLE = Date.UTC(2019, 9, 12, 12);
const END = Date.UTC(2019, 9, 13, 11);

let dataDir = '';
let archive = '';

/** A day as the exchange publishes it. */
function published(day: number): string {
  const from = Date.UTC(2019, 9, day);
  return trades
    .filter(({ time }) => time >= from && time < from + 86_400_000)
    .map((t) => `${t.id},${t.price},${t.quantity},0.0,${t.time},${t.side === 'sell' ? 'True' : 'False'},True\n`)
    .join('');
}

/** A ZIP archive of one file, with sizes only behind it, as streaming packers write it. */
function zipped(name: string, text: string): Buffer {
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(0x0008, 6);
  header.writeUInt16LE(8, 8);
  header.writeUInt16LE(name.length, 26);
  return Buffer.concat([header, Buffer.from(name), deflateRawSync(text), Buffer.from('PK\x07\x08 and so on')]);
}

/** The exchange's REST; the second request is one too many. */
async function exchange(): Promise<{ http: HttpServer; url: string; asked: string[] }> {
  const asked: string[] = [];
  const { rest } = binanceDialect('trade');
  const http = createServer((request, response) => {
    asked.push(request.url ?? '');
    if (asked.length === 2) response.writeHead(429, { 'Retry-After': '1' }).end('{}');
    else response.end(rest(new URL(`http://x${request.url}`), () => trades) ?? '[]');
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  return { http, url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, asked };
}

beforeAll(async () => {
  [dataDir, archive] = await Promise.all([testDataDir(), places.directory()]);
  places.keep(dataDir);
  await writeFile(join(archive, 'XRPETH-trades-2019-10-11.zip'), zipped('XRPETH-trades-2019-10-11.csv', published(11)));
  await writeFile(join(archive, 'XRPETH-trades-2019-10-12.csv.gz'), gzipSync(published(12)));
  await writeFile(join(archive, 'XRPETH-trades-2019-10-13.csv'), published(13));
});

afterAll(() => places.clear());

const run = (...args: string[]) => ended(['backfill', 'binance', 'XRPETH', ...args], { DATA_DIR: dataDir });

test.each([
  [['--from', 'yesterday'], /--from "yesterday" must be a day/],
  [['--from', '2019-10-11T10:00'], /a time with its zone/],
  [['--from', '2019-10-11', '--to', '2019-10-11'], /--from must be before --to/],
  [['--from', '2019-10-11', '--to', '2999-01-01'], /--to must be in the past/],
  [['--from', '2019-10-11', '--to', '2019-10-15', '--archive', '.'], /no file such as XRPETH-trades/],
])('%j is refused with what would be right', async (args, message) => {
  const { code, said } = await here(['backfill', 'binance', 'XRPETH', ...args], { DATA_DIR: dataDir });
  expect([code, said]).toEqual([2, expect.stringMatching(message)]);
});

test('history from published files and from REST, cut short and run again, equals what the exchange says', async () => {
  const first = await run('--from', '2019-10-11', '--to', String(MIDDLE), '--archive', archive);
  expect(first).toMatchObject({ code: 0, said: expect.stringContaining('XRPETH: 2160 minutes of') });

  const { http, url, asked } = await exchange();
  // An hour of it is there already.
  const rest = [
    'backfill',
    'binance',
    'XRPETH',
    '--from',
    String(MIDDLE - 3_600_000),
    '--to',
    String(END),
    '--rest',
    url,
  ];
  const killed = new Program(rest, { DATA_DIR: dataDir });
  const pages = () => asked.filter((path) => path.includes('historicalTrades'));
  while (pages().length < 5) await once(http, 'request');
  await killed.stop('SIGKILL');
  const before = pages().length;
  const again = await ended(rest.slice(0), { DATA_DIR: dataDir });
  expect(again).toMatchObject({ code: 0, said: expect.stringMatching(/XRPETH: \d+ minutes/) });
  const idOf = (path = '') => Number(new URLSearchParams(path.split('?')[1]).get('fromId'));
  expect(idOf(pages()[before])).toBeGreaterThan(idOf(pages()[0]) + 1000);
  http.close();

  const server = await Server.start({ DATA_DIR: dataDir, FEEDS: 'push' });
  const stored: WireCandle[] = [];
  for (let start = `from=${Date.UTC(2019, 9, 11)}`; ; ) {
    const path = `/v1/candles?symbol=XRPETH&interval=1m&${start}&to=${END}&limit=1000`;
    const page = await server.json<{ candles: WireCandle[]; gaps?: unknown[]; next: string | null }>(path);
    stored.push(...page.candles);
    expect(page.gaps ?? []).toEqual([]);
    if (page.next === null) break;
    start = `cursor=${encodeURIComponent(page.next)}`;
  }
  expect(stored.map(asKline)).toEqual(klines.filter(([open]) => open < END));

  const beside = await run('--from', '2019-10-11', '--to', String(MIDDLE), '--archive', archive);
  expect(beside).toMatchObject({ code: 2, said: expect.stringMatching(/data directory|in use|server/i) });
  expect(await server.stop()).toBe(0);
});
