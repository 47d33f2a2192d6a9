import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../../src/client/index.js';
import type { WireCandle } from '../../src/wire/messages.js';
import { FaultProxy } from '../faults/kit/proxy.js';
import { ROOT } from '../project/files.js';
import { testDataDir } from '../support/database.js';
import { asKline, exchangeKlines, TRADES_FILE } from '../support/oracle.js';
import { Program, restartablePort, Server } from '../support/server.js';
import { launchBrowser } from '../web/browser.js';
import { Collector } from './collector.js';

const klines = exchangeKlines();
const first = klines[0]?.[0] ?? 0;
const last = klines.at(-1)?.[0] ?? 0;
const RECONNECT = { baseMs: 50, capMs: 500 };
const ADMIN = { email: 'root@example.com', password: 'A-long-password-1' };

let directory: string;
let port: number;
let server: Server;
const origins = createServer((request, response) => {
  const path = join(ROOT, new URL(request.url ?? '/', 'http://x').pathname);
  const types: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript' };
  if (!existsSync(path)) response.writeHead(404).end();
  else response.writeHead(200, { 'content-type': types[extname(path)] ?? 'text/plain' }).end(readFileSync(path));
});
let origin: string;

beforeAll(async () => {
  directory = await testDataDir();
  port = await restartablePort();
  await new Promise<void>((resolve) => origins.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(origins.address() as AddressInfo).port}`;
  const create = new Program(['user', 'create', ADMIN.email, '--role', 'admin'], env(), `${ADMIN.password}\n`);
  expect(await create.exited()).toBe(0);
  server = await start();
});

afterAll(async () => {
  await server?.stop();
  origins.close();
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
});

/** 59 hours of real trades in some seconds. */
function env(): Record<string, string> {
  const FEEDS = `replay:${TRADES_FILE}?speed=30000&symbol=XRPETH`;
  return { DATA_DIR: directory, FEEDS, PORT: String(port), ALLOWED_ORIGINS: origin };
}

async function start(): Promise<Server> {
  const started = await Server.start(env());
  let symbols = '';
  while (!symbols.includes('XRPETH')) symbols = JSON.stringify(await started.json('/v1/symbols'));
  return started;
}

async function rest(from: number): Promise<WireCandle[]> {
  const all: WireCandle[] = [];
  let query = `from=${from}`;
  for (;;) {
    const path = `/v1/candles?symbol=XRPETH&interval=1m&limit=1000&${query}`;
    const page = await server.json<{ candles: WireCandle[]; next: string | null }>(path);
    all.push(...page.candles.filter(({ x }) => x));
    if (page.next === null) return all;
    query = `cursor=${page.next}`;
  }
}

/** The example, as a user runs it. */
function run(file: string, args: readonly string[], more: Record<string, string> = {}) {
  const child = spawn(process.execPath, [join(ROOT, 'examples', file), ...args], {
    cwd: ROOT,
    env: { PATH: process.env.PATH ?? '', ...more },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return { child, ended: once(child, 'close') };
}

interface BotState {
  readonly candles: number;
  readonly trades: readonly { readonly time: number; readonly side: string; readonly price: string }[];
  readonly cursor: { readonly position: { readonly seq: number } | null };
}

/** What the bot must have done, from the exchange's own candles. */
function tradesOf(closes: readonly (readonly [number, string])[]): BotState['trades'] {
  const trades: { time: number; side: string; price: string }[] = [];
  const mean = (to: number, count: number): number =>
    closes.slice(to + 1 - count, to + 1).reduce((sum, [, close]) => sum + Number(close), 0) / count;
  for (let i = 19; i < closes.length; i++) {
    const side = mean(i, 5) > mean(i, 20) ? 'buy' : 'sell';
    const [time, price] = closes[i] ?? [0, ''];
    if (side !== (trades.at(-1)?.side ?? 'sell')) trades.push({ time, side, price });
  }
  return trades;
}

describe('with a real server', () => {
  it('the bot of the examples deals with every candle once, killed at any point, and readers have what REST has', async () => {
    const file = join(directory, 'bot.json');
    const read = (): BotState | null =>
      existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as BotState) : null;
    const proxy = await FaultProxy.to({ port });
    const client = new Client({ url: `http://127.0.0.1:${proxy.port}`, reconnect: RECONNECT });
    const got = new Collector(client.candles('XRPETH', '1m', { history: 5, closedOnly: true }));
    const whole = new Collector(client.candles('XRPETH', '5m', { since: first }));
    let kills = 0;
    let bot = run('bot.mjs', [server.url, 'XRPETH', '1m', file]);
    await got.until(({ closed }) => closed.size > 300);
    await server.stop();
    server = await start();
    for (const reached of [700, 1_200, 1_500]) {
      await got.until(({ closed }) => closed.size > reached);
      proxy.reset();
      bot.child.kill('SIGKILL');
      await bot.ended;
      kills++;
      bot = run('bot.mjs', [server.url, 'XRPETH', '1m', file]);
    }
    await got.until(({ closed }) => closed.has(last));
    const begin = got.candles[0]?.t ?? 0;
    expect(got.candles).toEqual(await rest(begin));
    expect(got.candles.map(asKline)).toEqual(klines.filter(([time]) => time >= begin));
    expect(got.resets + whole.resets).toBe(0);
    expect(whole.gaps).toEqual([]);
    // The last close of the bot is saved a moment after ours.
    const due = (seen: BotState): number => klines.length - seen.candles;
    let state = read();
    const { seq } = (got.items.at(-1) ?? got.items[0])?.cursor.position ?? { seq: 0 };
    while ((state?.cursor.position?.seq ?? 0) < seq) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      state = read();
    }
    expect(kills).toBe(3);
    if (state === null) throw new Error('the bot has saved nothing');
    const dealt = klines.slice(due(state)).map((kline) => [kline[0], asText(kline[4])] as const);
    expect(state.trades.map(({ time, side, price }) => ({ time, side, price: asText(price) }))).toEqual(
      tradesOf(dealt),
    );
    expect(state.trades.length).toBeGreaterThan(50);
    bot.child.kill('SIGTERM');
    expect((await bot.ended)[0]).toBe(0);
    client.close();
    await proxy.stop();
  });

  it('history of any length, and since when: as much as REST has, over its pages', async () => {
    const client = new Client({ url: server.url });
    const long = new Collector(client.candles('XRPETH', '1m', { history: 2_500, buffer: 100 }));
    const all = new Collector();
    client.onCandles('XRPETH', '1m', { since: first }, all.take);
    for (const one of [long, all]) await one.until(({ closed }) => closed.has(last));
    const truth = await rest(first);
    expect(long.candles).toEqual(truth.slice(-2_500));
    expect(all.candles).toEqual(truth);
    const middle = all.items[2_345];
    if (middle?.type !== 'candle') throw new Error('a candle was to be there');
    const rerun = new Collector(client.candles('XRPETH', '1m', { from: JSON.parse(JSON.stringify(middle.cursor)) }));
    await rerun.until(({ closed }) => closed.has(last));
    expect(rerun.candles).toEqual(truth.filter(({ t }) => t > middle.t));
    client.close();
  });

  it('the snippets of docs/client.md run', async () => {
    const snippets = [...readFileSync(join(ROOT, 'docs/client.md'), 'utf8').matchAll(/^```js\n([\s\S]+?)^```$/gm)];
    expect(snippets).toHaveLength(4);
    const said = await Promise.all(snippets.map(([, code = '']) => firstLine(code)));
    expect(said[0]).toMatch(/^\d{13} [\d.]+ (closed|open)$/);
    expect(said[1]).toMatch(/^candle \d{13}$/);
    expect(said[2]).toBe('connecting');
    expect(said[3]).toMatch(/^XRPETH 1[mh] \d{13} [\d.]+$/);
  });

  it('the chart of the examples draws in a browser what REST has', async () => {
    const browser = await launchBrowser();
    try {
      const page = await browser.newPage();
      const errors: string[] = [];
      page.on('pageerror', (error) => errors.push(String(error)));
      await page.goto(`${origin}/examples/chart.html?server=${server.url}&symbol=XRPETH&interval=1m`);
      await page.waitForFunction(() => (globalThis.candles?.size ?? 0) >= 1_500);
      const drawn = await page.evaluate(() => globalThis.series.data().map(({ time, close }) => [time * 1000, close]));
      const truth = (await rest(drawn[0]?.[0] ?? 0)).map(({ t, c }) => [t, Number(c)]);
      expect(drawn.slice(0, truth.length)).toEqual(truth);
      expect(await page.textContent('#state')).toBe('XRPETH 1m: live');
      expect(errors).toEqual([]);
    } finally {
      await browser.close();
    }
  });

  it('the signal listener of the examples prints each signal once across its restarts', async () => {
    const post = async <T>(path: string, body: object, token = ''): Promise<T> => {
      const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
      const answer = await fetch(server.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
      return (await answer.json()) as T;
    };
    const { userId, accessToken } = await post<{ userId: string; accessToken: string }>('/v1/auth/login', ADMIN);
    const { key } = await post<{ key: string }>('/v1/auth/keys', { name: 'x', scopes: ['signals:read'] }, accessToken);
    const publish = (type: string) => post('/v1/signals', { type, symbol: 'XRPETH', to: userId }, accessToken);
    const printed: string[] = [];
    const listen = async (until: string): Promise<void> => {
      const { child, ended } = run('signals.mjs', [server.url, 'printer'], { CANDLECAST_TOKEN: key });
      for await (const chunk of child.stdout ?? []) {
        printed.push(
          ...String(chunk)
            .trim()
            .split('\n')
            .map((line) => (JSON.parse(line) as { kind: string }).kind),
        );
        if (printed.includes(until)) child.kill('SIGTERM');
      }
      expect((await ended)[0]).toBe(0);
    };
    await publish('one');
    await publish('two');
    await listen('two');
    await publish('three');
    await listen('three');
    expect(printed).toEqual(['one', 'two', 'three']);
  });
});

/** What a program prints first. */
async function firstLine(code: string): Promise<string> {
  const own = code
    .replaceAll('http://127.0.0.1:8080', server.url)
    .replaceAll(/BTCDEMO|ETHDEMO/g, 'XRPETH')
    .replaceAll('Date.now() - 86_400_000', String(first))
    .replaceAll("'cursor.json", `'${directory}/cursor.json`);
  const child = spawn(process.execPath, ['--input-type=module', '-e', own], { cwd: ROOT });
  child.stderr.resume();
  const [chunk] = await once(child.stdout, 'data');
  child.kill('SIGKILL');
  return String(chunk).split('\n')[0] ?? '';
}

function asText(price: unknown): string {
  return Number(price).toFixed(8);
}

declare global {
  var candles: Map<number, unknown> | undefined;
  var series: { data(): { time: number; close: number }[] };
}
