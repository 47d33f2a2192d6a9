import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { CandlecastError, type CandleItem, Client, type ReplayOptions } from '../../src/client/index.js';
import { systemClock } from '../../src/kit/clock.js';
import { bucketEnd, MINUTE_MS } from '../../src/market/interval.js';
import { Database } from '../../src/store/timescale/database.js';
import { FaultProxy } from '../faults/kit/proxy.js';
import { fill, ReplayStand, START } from '../gateway/replay-stand.js';
import { ROOT } from '../project/files.js';
import { testDataDir } from '../support/database.js';
import { DatabaseServer, Server } from '../support/server.js';

const A = 'AAAUSDT';
const B = 'BBBUSDT';
const MINUTES = 3_000;
/** Enough that a server can be killed in the middle. */
const LONG_MINUTES = 6_000;
const RECONNECT = { baseMs: 20, capMs: 100 };
const range = { from: START, to: START + MINUTES * MINUTE_MS };
const channels: ReplayOptions['channels'] = [
  { symbol: A, interval: '1m', closedOnly: true },
  { symbol: B, interval: '1m', closedOnly: true },
  { symbol: A, interval: '1h' },
];

let stand: ReplayStand;
let port: number;

beforeAll(async () => {
  stand = await ReplayStand.start();
  await stand.fill(A, MINUTES);
  await stand.fill(B, MINUTES);
  port = await (await stand.gateway()).listen('127.0.0.1', 0);
});
afterAll(() => stand.stop());

function client(...ports: readonly number[]): Client {
  const own = new Client({ url: ports.map((one) => `http://127.0.0.1:${one}`), reconnect: RECONNECT });
  onTestFinished(() => own.close());
  return own;
}

const isClosed = (item: CandleItem): boolean => item.type === 'candle' && item.x;
const timeOf = (item: CandleItem): number => (item.type === 'candle' ? bucketEnd(item.interval, item.t) : 0);

/** Every closed candle of each channel, once, in one order of time. */
function isWhole(items: readonly CandleItem[], minutes = MINUTES): void {
  const closed = items.filter(isClosed);
  for (const symbol of [A, B]) {
    const own = closed.filter((item) => item.symbol === symbol && item.interval === '1m');
    expect(own).toHaveLength(minutes);
    expect(own.findIndex((item, i) => item.type === 'candle' && item.t !== START + i * MINUTE_MS)).toBe(-1);
  }
  const hours = closed.filter(({ interval }) => interval === '1h');
  expect(new Set(hours.map(timeOf)).size).toBe(hours.length);
  expect(hours.length).toBe(Math.floor((minutes - 3) / 60) + 1);
  expect(closed.findIndex((item, i) => i > 0 && timeOf(item) < timeOf(closed[i - 1] as CandleItem))).toBe(-1);
}

async function read(items: AsyncIterable<CandleItem>, each: (item: CandleItem, n: number) => unknown = () => {}) {
  const all: CandleItem[] = [];
  for await (const item of items) {
    all.push(item);
    await each(item, all.length);
  }
  return all;
}

describe('replay', () => {
  it('brings all of several channels in one order of time, and ends', async () => {
    const all = await read(client(port).replay({ channels, ...range }));
    isWhole(all);
    const updates = all.filter((item) => item.type === 'candle' && !item.x);
    expect(updates.length).toBeGreaterThan(MINUTES / 2);
  });

  it('goes on where it was when the connection is cut, any number of times', async () => {
    const proxy = await FaultProxy.to({ port });
    let cuts = 0;
    const all = await read(client(proxy.port).replay({ channels, ...range }), (_, n) => {
      if (n % 2_000 !== 500) return;
      cuts++;
      proxy.reset();
    });
    isWhole(all);
    expect(cuts).toBeGreaterThan(2);
    await proxy.stop();
  });

  it('waits for a slow loop, without holding more than it was told to', async () => {
    const items = client(port).replay({ channels, ...range, buffer: 500 });
    let most = 0;
    const all = await read(items, async (_, n) => {
      most = Math.max(most, (items as unknown as { waiting: number }).waiting);
      if (n % 25 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    });
    isWhole(all);
    expect(most).toBeGreaterThan(400);
    expect(most).toBeLessThanOrEqual(501);
  });

  it('begins with history, and goes over into live beside it', async () => {
    const own = client(port);
    const one = { symbol: A, interval: '1m', closedOnly: true, history: 5 } as const;
    const from = START + 100 * MINUTE_MS;
    const all = await read(own.replay({ channels: [one], from, to: from + 10 * MINUTE_MS }));
    expect(all.map((item) => item.type === 'candle' && item.t)).toEqual(
      Array.from({ length: 15 }, (_, i) => from + (i - 5) * MINUTE_MS),
    );
    const last = all.at(-1);
    await stand.play(['LIVEUSDT'], 0, 50);
    const live = { symbol: 'LIVEUSDT', interval: '1m', closedOnly: true } as const;
    const played = await read(own.replay({ channels: [live], from: START, to: START + 40 * MINUTE_MS }));
    expect(played).toHaveLength(40);
    const went: number[] = [];
    for await (const item of own.candles('LIVEUSDT', '1m', { closedOnly: true, from: played.at(-1)?.cursor ?? null })) {
      if (item.type === 'candle') went.push(item.t);
      if (went.length === 10) void stand.play(['LIVEUSDT'], 50, 52);
      if (went.length === 12) break;
    }
    expect(went).toEqual(Array.from({ length: 12 }, (_, i) => START + (40 + i) * MINUTE_MS));
    expect(last?.cursor.position).not.toBeNull();
  });

  it('by functions, and stopped in the middle', async () => {
    const got: CandleItem[] = [];
    const error = await new Promise((resolve) =>
      client(port).onReplay({ channels, from: START, to: START + 60 * MINUTE_MS, onEnd: resolve }, (items) => {
        got.push(...items);
      }),
    );
    expect(error).toBeNull();
    isWhole(got, 60);
    const stop = new AbortController();
    const some = await read(client(port).replay({ channels, ...range, signal: stop.signal }), (_, n) => {
      if (n === 100) stop.abort();
    });
    expect(some).toHaveLength(100);
  });

  it('ends with the error of the server, or of the call', async () => {
    const own = client(port);
    const error = await read(own.replay({ channels, from: range.to, to: range.from })).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(CandlecastError);
    expect(error).toMatchObject({ code: 'invalid_message', message: expect.stringContaining('replay.from') });
    const none = own.replay({ channels: [{ symbol: 'NOSUCH', interval: '1m' }], from: START });
    expect(await read(none).catch((e: unknown) => e)).toMatchObject({ code: 'unknown_symbol' });
    for (const many of [[], Array.from({ length: 31 }, () => ({ symbol: A, interval: '1m' as const }))])
      expect(() => own.replay({ channels: many, from: START }).next()).toThrow(TypeError);
  });
});

it('a server that is killed: another one goes on with it; and the example, over the same candles', async () => {
  const dataDir = await testDataDir();
  onTestFinished(() => rm(dataDir, { recursive: true, force: true, maxRetries: 5 }));
  const database = await DatabaseServer.start(dataDir);
  const sql = new Database({ url: database.url, clock: systemClock });
  await fill(sql, A, LONG_MINUTES);
  await fill(sql, B, LONG_MINUTES);
  await sql.close();
  const start = (name: string) =>
    Server.start({ DATA_DIR: join(dataDir, name), DATABASE_URL: database.url, FEEDS: 'push', LOG_LEVEL: 'error' });
  const urls = await Promise.all([start('one'), start('two')]);
  let killed: number | null = null;
  const own = client(...urls.map((server) => server.port));
  own.onState(() => {});
  const to = START + LONG_MINUTES * MINUTE_MS;
  const all = await read(own.replay({ channels, from: START, to, speed: 100_000 }), async (_, n) => {
    if (n !== 2_000) return;
    // Whichever it is on.
    const pages = await Promise.all(urls.map((server) => fetch(`${server.url}/metrics`).then((page) => page.text())));
    killed = pages.findIndex((page) => /^candlecast_replays 1$/m.test(page));
    await urls[killed]?.stop('SIGKILL');
  });
  expect([0, 1]).toContain(killed);
  isWhole(all, LONG_MINUTES);
  const left = urls[1 - (killed ?? 0)] as Server;
  const times = [START, START + 1_000 * MINUTE_MS].map((time) => new Date(time).toISOString());
  const example = spawn(process.execPath, [join(ROOT, 'examples', 'backtest.mjs'), left.url, A, '1m', ...times], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  example.stdout.on('data', (chunk) => {
    said += String(chunk);
  });
  expect(await once(example, 'close')).toEqual([0, null]);
  expect(JSON.parse(said)).toMatchObject({ candles: 1_000, cursor: { position: { epoch: 7 } } });
  await left.stop();
  await database.stop();
});
