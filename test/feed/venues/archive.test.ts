import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { archiveFiles, readArchive } from '../../../src/feed/venues/archive.js';
import { archiveTrades } from '../../../src/feed/venues/history.js';
import { systemClock } from '../../../src/kit/clock.js';
import type { Trade } from '../../../src/market/trade.js';

const DAY = 86_400_000;
const FIRST = Date.UTC(2024, 0, 4);
let directory = '';

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'candlecast-archive-'));
});

afterEach(() => rm(directory, { recursive: true }));

/** Trades `from` to `to` by id, one an hour, ids counting the hours since FIRST. */
function lines(from: number, to: number, unit = 1): string {
  const ids = Array.from({ length: to - from + 1 }, (_, i) => from + i);
  return ids.map((id) => `${id},1.50,0.2,0.3,${(FIRST + id * 3_600_000) * unit},False,True\n`).join('');
}

async function read(from: number, to: number): Promise<Trade[]> {
  const files = await archiveFiles(directory, 'BTCUSDT', from, to);
  const trades: Trade[] = [];
  for await (const batch of archiveTrades(files, { symbol: 'BTCUSDT', native: 'BTCUSDT', from, to }, systemClock))
    trades.push(...batch);
  return trades;
}

const file = (name: string, content: string | Buffer) => writeFile(join(directory, name), content);

test('from the last trade before the time to the first one after it, days and months, microseconds, a header', async () => {
  await file(
    'BTCUSDT-trades-2024-01-04.csv',
    `id,price,qty,quote_qty,time,is_buyer_maker,is_best_match\n${lines(0, 23)}`,
  );
  await file('BTCUSDT-trades-2024-01-05.csv.gz', gzipSync(lines(24, 47, 1000)));
  await file('BTCUSDT-trades-2024-01.csv', lines(0, 60));
  await file('ETHUSDT-trades-2024-01-05.csv', 'nonsense');
  const trades = await read(FIRST + DAY, FIRST + 1.5 * DAY);
  expect([trades[0]?.id, trades.at(-1)?.id, trades.length]).toEqual([23, 36, 14]);
  expect(trades[1]).toMatchObject({ time: FIRST + DAY, priceWhole: 1, priceFraction: 50_000_000, takerSide: 'buy' });
});

test('ids that are missing between two files are named', async () => {
  await file('BTCUSDT-trades-2024-01-04.csv', lines(0, 23));
  await file('BTCUSDT-trades-2024-01-06.csv', lines(48, 71));
  await expect(read(FIRST, FIRST + 3 * DAY)).rejects.toThrow(/the trades 24 to 47 are missing before .*2024-01-06/);
});

test('a file that does not reach to the ones that are asked for is none before them', async () => {
  await file('BTCUSDT-trades-2024-01.csv', lines(0, 23));
  await file('BTCUSDT-trades-2024-03-01.csv', lines(57 * 24, 58 * 24 - 1));
  const from = Date.UTC(2024, 2, 1);
  const trades = await read(from, from + DAY);
  expect(trades.map(({ id }) => id)).toEqual(Array.from({ length: 24 }, (_, i) => 57 * 24 + i));
});

test('a line that is no trade is named', async () => {
  await file('BTCUSDT-trades-2024-01-04.csv', `${lines(0, 2)}3,1.5,0.2\n`);
  await expect(read(FIRST, FIRST + DAY)).rejects.toThrow(/2024-01-04.csv, line 4: it is no trade of seven columns/);
});

test('what is no ZIP archive, or is cut short, is an error', async () => {
  await file('BTCUSDT-trades-2024-01-04.zip', 'PK');
  const [cut] = await archiveFiles(directory, 'BTCUSDT', FIRST, FIRST + DAY);
  if (cut === undefined) throw new Error('the file was not found');
  await expect(readArchive(cut).next()).rejects.toThrow(/is no ZIP archive, or is cut short/);
});
