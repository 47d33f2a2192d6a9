import { rm } from 'node:fs/promises';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContext, Frame, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ServerMessage, WireCandle } from '../../src/wire/messages.js';
import { testDataDir } from '../support/database.js';
import { Program, restartablePort, Server } from '../support/server.js';
import { launchBrowser } from './browser.js';

const TRADES = fileURLToPath(new URL('../fixtures/binance-XRPETH-trades.csv.gz', import.meta.url));
const PUBLISHER = { email: 'publisher@example.com', password: 'publishes-signals-1' };
const USER = { email: 'ana@example.com', password: 'correct-horse-1' };

interface ScreenBar {
  time: number;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
}

/** What the functions that run in the pages see there. */
declare const candlecast: {
  bars(): ScreenBar[];
  markers(): { time: number; text: string }[];
  indicators(): Record<string, (number | null)[]>;
  state(): { symbol: string | null; interval: string; link: string; market: string };
};
declare const candlecastWidget: { bars(): ScreenBar[]; state(): { symbol: string; state: string; link: string } };
declare const localStorage: { getItem(key: string): string | null };
declare const document: {
  documentElement: { dataset: { theme: string }; scrollWidth: number };
  querySelector(selector: string): { setAttribute(name: string, value: string): void };
};
declare const window: {
  heard: ServerMessage[];
  ids: string[];
  changes: { symbol: string; state: string; price: string | null }[];
  sameDocument?: boolean;
  crossOriginIsolated: boolean;
};
declare class EventSource {
  constructor(url: string);
  onmessage: (event: { data: string; lastEventId: string }) => void;
}

interface Tokens {
  userId: string;
  accessToken: string;
}

let browser: Browser;
let context: BrowserContext;
let page: Page;
let server: Server;
let dataDir: string;
let demo: string;
let user: Tokens;
let publisher: Tokens;
let elsewhere: HttpServer;
let errors: string[];

const start = (port: number) =>
  Server.start({ DATA_DIR: dataDir, FEEDS: `demo;replay:${TRADES}?speed=0&symbol=XRPETH`, PORT: String(port) });

beforeAll(async () => {
  dataDir = await testDataDir();
  [browser, server] = await Promise.all([launchBrowser(), start(await restartablePort())]);
  const made = new Program(
    ['user', 'create', PUBLISHER.email, '--role', 'publisher'],
    { DATA_DIR: dataDir },
    `${PUBLISHER.password}\n`,
  );
  expect(await made.exited()).toBe(0);
  for (;;) {
    const { symbols } = await server.json<{ symbols: { symbol: string; synthetic: boolean; state: string }[] }>(
      '/v1/symbols',
    );
    demo = symbols.find(({ synthetic }) => synthetic)?.symbol ?? '';
    if (symbols.find(({ symbol }) => symbol === 'XRPETH')?.state === 'ended' && demo !== '') break;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  await call('/v1/auth/register', USER);
  [user, publisher] = [await call<Tokens>('/v1/auth/login', USER), await call<Tokens>('/v1/auth/login', PUBLISHER)];
  elsewhere = createServer((request, response) => {
    const page = PAGES[request.url ?? ''];
    const policy = `default-src 'none'; script-src ${server.url} 'unsafe-inline'; frame-src ${server.url}; connect-src ${server.url}`;
    response.writeHead(page === undefined ? 404 : 200, {
      'content-type': 'text/html',
      'content-security-policy': policy,
      ...(request.url === '/isolated' ? ISOLATED : {}),
    });
    response.end(page?.(server.url));
  });
  await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
}, 180_000);

afterAll(async () => {
  await browser?.close();
  elsewhere?.close();
  await server?.stop();
  await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
});

beforeEach(async () => {
  errors = [];
  context = await browser.newContext({ viewport: { width: 1000, height: 640 } });
  page = await newPage();
});

/** Its errors are kept. */
async function newPage(): Promise<Page> {
  const opened = await context.newPage();
  opened.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  opened.on('pageerror', (error) => errors.push(String(error)));
  return opened;
}

afterEach(async () => {
  await context.close();
});

async function call<T>(path: string, body: object, token?: string): Promise<T> {
  const headers = { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) };
  const response = await fetch(`${server.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return (response.status === 204 ? null : await response.json()) as T;
}

async function publish(type: string, symbol: string, to = user.userId): Promise<{ id: string }> {
  return await call('/v1/signals', { to, type, symbol, data: { text: type } }, publisher.accessToken);
}

async function open(hash: string): Promise<void> {
  await page.goto(`${server.url}/#${hash}`);
  await ready();
}

async function ready(): Promise<void> {
  await page.waitForFunction(() => candlecast.state().market === 'ready' && candlecast.state().link === 'live');
}

async function logIn(stay = false): Promise<void> {
  await page.getByTestId('account-button').click();
  await page.getByTestId('login-email').fill(USER.email);
  await page.getByTestId('login-password').fill(USER.password);
  if (stay) await page.getByTestId('login-stay').check();
  await page.keyboard.press('Enter');
  await page.getByTestId('login').waitFor({ state: 'hidden' });
}

function onScreen({ t, o, h, l, c, v }: WireCandle): ScreenBar {
  return { time: t / 1000, open: +o, high: +h, low: +l, close: +c, volume: +v };
}

async function closed(symbol: string, interval: string): Promise<WireCandle[]> {
  const { candles } = await server.json<{ candles: WireCandle[] }>(
    `/v1/candles?symbol=${symbol}&interval=${interval}&limit=1000`,
  );
  return candles;
}

describe('indicators', () => {
  test('are computed from the candles on screen, shown in the legend and remembered, and follow the candle that is open', async () => {
    await open('XRPETH/1m');
    await page.waitForFunction(() => candlecast.bars().length >= 500);
    await page.getByTestId('indicator-button').click();
    for (const id of ['sma', 'ema', 'bollinger', 'rsi', 'macd']) await page.getByTestId(`indicator-${id}`).check();
    const closes = (await page.evaluate(() => candlecast.bars())).map(({ close }) => close);
    const shown = await page.evaluate(() => candlecast.indicators());
    const last = closes.slice(-20);
    const mean = last.reduce((sum, close) => sum + close, 0) / 20;
    const deviation = Math.sqrt(last.reduce((sum, close) => sum + (close - mean) ** 2, 0) / 20);
    expect(shown.sma?.[0]).toBeCloseTo(mean, 10);
    expect(shown.bollinger?.[0]).toBeCloseTo(mean + 2 * deviation, 10);
    expect(shown.bollinger?.[2]).toBeCloseTo(mean - 2 * deviation, 10);
    expect(shown.ema?.[0]).toBeCloseTo(ema(closes, 50), 8);
    expect(shown.macd?.[1]).toBeCloseTo(ema(closes, 12) - ema(closes, 26), 8);
    expect(shown.rsi?.[0]).toBeGreaterThan(0);
    expect(shown.rsi?.[0]).toBeLessThan(100);
    expect(await page.getByTestId('legend-rsi').textContent()).toMatch(/^RSI 14\d/);
    await page.reload();
    await ready();
    expect(Object.keys(await page.evaluate(() => candlecast.indicators()))).toHaveLength(5);
    await open(`${demo}/1m`);
    await page.waitForFunction((symbol) => candlecast.state().symbol === symbol, demo);
    await ready();
    const before = await page.evaluate(() => candlecast.indicators().sma?.[0] ?? 0);
    await page.waitForFunction((value) => candlecast.indicators().sma?.[0] !== value, before);
    const [value, latest] = await page.evaluate(() => {
      const bars = candlecast.bars().slice(-20);
      return [candlecast.indicators().sma?.[0] ?? 0, bars.map(({ close }) => close)] as const;
    });
    expect(value).toBeCloseTo(latest.reduce((sum, close) => sum + close, 0) / 20, 6);
    await page.getByTestId('indicator-button').click();
    for (const id of ['sma', 'ema', 'bollinger', 'rsi', 'macd']) await page.getByTestId(`indicator-${id}`).uncheck();
    expect(await page.evaluate(() => candlecast.indicators())).toEqual({});
    expect(errors).toEqual([]);
  });
});

describe('the account', () => {
  test('brings the user’s signals as markers: those there were, and new ones as they come', async () => {
    await publish('buy', demo);
    await publish('note', 'XRPETH');
    await open(`${demo}/1m`);
    expect(await page.evaluate(() => candlecast.markers())).toEqual([]);
    await logIn();
    await page.waitForFunction(() => candlecast.markers().length === 1);
    expect((await page.evaluate(() => candlecast.markers()))[0]?.text).toBe('buy');
    await publish('sell', demo);
    await publish('elsewhere', demo, publisher.userId);
    await page.waitForFunction(() => candlecast.markers().some(({ text }) => text === 'sell'));
    expect(
      await page.evaluate(() =>
        candlecast
          .markers()
          .map(({ text }) => text)
          .sort(),
      ),
    ).toEqual(['buy', 'sell']);
    await page.getByTestId('account-button').click();
    expect(await page.getByTestId('signal-rows').locator('li').count()).toBe(2);
    expect(await page.getByTestId('account-panel').textContent()).toContain(USER.email);
    await page.getByTestId('logout').click();
    await page.waitForFunction(() => candlecast.markers().length === 0);
    await ready();
    expect(errors).toEqual([]);
  });

  test('says what was wrong with a login, and lets try again; it is forgotten with the page, unless it is to stay; two pages share it; a logout ends both', async () => {
    await open(`${demo}/1m`);
    await page.getByTestId('account-button').click();
    await page.getByTestId('login-email').fill(USER.email);
    await page.getByTestId('login-password').fill('not-the-password');
    await page.getByTestId('login-submit').click();
    await page.getByTestId('login-error').filter({ hasText: 'wrong' }).waitFor({ state: 'visible' });
    await page.keyboard.press('Escape');
    await page.getByTestId('login').waitFor({ state: 'hidden' });
    expect(errors.filter((text) => !text.includes('401'))).toEqual([]);
    await logIn();
    expect(await page.evaluate(() => localStorage.getItem('candlecast.refresh'))).toBeNull();
    await page.reload();
    await ready();
    expect(await page.getByTestId('account-label').textContent()).toBe('Log in');
    await logIn(true);
    await page.reload();
    const second = await context.newPage();
    await second.goto(`${server.url}/#${demo}/1m`);
    for (const one of [page, second]) {
      await one.waitForFunction(() => candlecast.markers().length > 0);
      expect(await one.getByTestId('account-label').textContent()).toBe('Account');
      await one.reload();
    }
    await page.waitForFunction(() => candlecast.markers().length > 0);
    await second.waitForFunction(() => candlecast.markers().length > 0);
    await page.getByTestId('account-button').click();
    await page.getByTestId('logout').click();
    for (const one of [page, second]) await one.waitForFunction(() => candlecast.markers().length === 0);
    await second.waitForFunction(() => candlecast.state().link === 'live');
    expect(await second.getByTestId('account-label').textContent()).toBe('Log in');
    expect(await page.evaluate(() => localStorage.getItem('candlecast.refresh'))).toBeNull();
  });
});

/** Pages of another origin, under a policy of their own. */
const PAGES: Record<string, (server: string) => string> = {
  '/widget': (url) => `<!doctype html><title>Elsewhere</title>
    <script>window.changes = []; addEventListener('candlecast-change', ({ detail }) => changes.push(detail), true)</script>
    <script src="${url}/embed.js" async crossorigin></script>
    <candlecast-chart symbol="XRPETH" interval="1m" theme="dark" indicators="sma"></candlecast-chart>`,
  '/isolated': (url) => `<!doctype html><title>Isolated</title><script src="${url}/embed.js" async></script>
    <candlecast-chart symbol="XRPETH" interval="1m"></candlecast-chart>`,
  '/events': () => '<!doctype html><title>Events</title>',
};
/** Such a page may have a `SharedArrayBuffer`, and loads only what agrees to that. */
const ISOLATED = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
} as const;
const elsewhereUrl = (path: string) => `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}${path}`;

async function frame(): Promise<Frame> {
  const element = await page.locator('candlecast-chart iframe').elementHandle();
  const found = await element?.contentFrame();
  if (!found) throw new Error('no frame');
  await found.waitForFunction(
    () =>
      typeof candlecastWidget !== 'undefined' &&
      candlecastWidget.state().state === 'ready' &&
      candlecastWidget.state().link === 'live',
  );
  return found;
}

describe('a chart in a page of another origin', () => {
  test('draws what REST answers, tells the page, follows its attributes without loading anew', async () => {
    await page.goto(elsewhereUrl('/widget'));
    const chart = await frame();
    await chart.waitForFunction(() => candlecastWidget.bars().length >= 500);
    const candles = (await closed('XRPETH', '1m')).map(onScreen);
    const shown = await chart.evaluate(() => candlecastWidget.bars());
    expect(shown.slice(-500)).toEqual(candles.slice(-500));
    expect(await chart.evaluate(() => document.documentElement.dataset.theme)).toBe('dark');
    await chart.evaluate(() => {
      window.sameDocument = true;
    });
    await page.evaluate((symbol) => {
      const element = document.querySelector('candlecast-chart');
      element.setAttribute('symbol', symbol);
      element.setAttribute('theme', 'light');
    }, demo);
    await chart.waitForFunction((symbol) => candlecastWidget.state().symbol === symbol, demo);
    await frame();
    expect(await chart.evaluate(() => [window.sameDocument, document.documentElement.dataset.theme])).toEqual([
      true,
      'light',
    ]);
    await chart.getByTestId('synthetic-badge').waitFor({ state: 'visible' });
    await page.waitForFunction((symbol) => window.changes.some((c) => c.symbol === symbol && c.price !== null), demo);
    expect(errors).toEqual([]);
  });

  test('shows in a page of another site that has isolated itself', async () => {
    await page.goto(elsewhereUrl('/isolated').replace('127.0.0.1', 'localhost'));
    const chart = await frame();
    await chart.waitForFunction(() => candlecastWidget.bars().length >= 500);
    expect(await page.evaluate(() => window.crossOriginIsolated)).toBe(true);
    expect(errors).toEqual([]);
  });
});

describe('UDF', () => {
  test('has the bars of REST, and the user’s signals as marks', async () => {
    const bars = (await closed('XRPETH', '1m')).slice(-300);
    const [from, to] = [(bars[0]?.t ?? 0) / 1000, (bars.at(-1)?.t ?? 0) / 1000 + 60];
    const udf = async (path: string, token?: string) => {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      return (await (await fetch(`${server.url}/udf/${path}`, { headers })).json()) as { id: string[] };
    };
    const history = await udf(`history?symbol=REPLAY:XRPETH&resolution=1&from=${from}&to=${to}&countback=300`);
    expect(history).toEqual({
      s: 'ok',
      t: bars.map(({ t }) => t / 1000),
      o: bars.map(({ o }) => Number(o)),
      h: bars.map(({ h }) => Number(h)),
      l: bars.map(({ l }) => Number(l)),
      c: bars.map(({ c }) => Number(c)),
      v: bars.map(({ v }) => Number(v)),
    });
    const { id } = await publish('marked', 'XRPETH');
    const range = 'symbol=XRPETH&from=0&to=9999999999&resolution=1';
    expect((await udf(`marks?${range}`, user.accessToken)).id.at(-1)).toBe(id);
    expect((await udf(`marks?${range}`)).id).toEqual([]);
    expect((await udf(`marks?${range}`, publisher.accessToken)).id).toEqual([]);
  });
});

describe('after a restart of the server', () => {
  test('the page goes on without a reload and without a hole, and so do a chart and an EventSource in pages of another origin', async () => {
    const own = await newPage();
    await own.goto(`${server.url}/#${demo}/1m`);
    await own.waitForFunction(() => candlecast.state().market === 'ready' && candlecast.state().link === 'live');
    await own.evaluate(() => {
      window.sameDocument = true;
    });
    const events = await listening(`${server.url}/v1/sse?channels=candles:${demo}:1m,status&snapshot=5`);
    await page.goto(elsewhereUrl('/widget'));
    const chart = await frame();
    await page.evaluate((symbol) => document.querySelector('candlecast-chart').setAttribute('symbol', symbol), demo);
    await chart.waitForFunction((symbol) => candlecastWidget.state().symbol === symbol, demo);
    await frame();
    await server.stop();
    await chart.waitForFunction(() => candlecastWidget.state().link !== 'live');
    await own.waitForFunction(() => candlecast.state().link !== 'live');
    await own.getByTestId('banner').waitFor({ state: 'visible' });
    server = await start(server.port);
    await Promise.all([expectPageGoesOn(own), expectChartGoesOn(chart), expectEventsGoOn(events)]);
    expect(errors.filter((text) => !text.includes('ERR_CONNECTION_REFUSED'))).toEqual([]);
  }, 120_000);
});

async function expectPageGoesOn(own: Page): Promise<void> {
  await own.waitForFunction(() => candlecast.state().market === 'ready' && candlecast.state().link === 'live');
  const before = await own.evaluate(() => JSON.stringify(candlecast.bars().at(-1)));
  await own.waitForFunction((text) => JSON.stringify(candlecast.bars().at(-1)) !== text, before);
  const shown = await own.evaluate(() => candlecast.bars());
  const known = (await closed(demo, '1m')).filter(({ x }) => x).map(onScreen);
  const from = Math.max(shown[0]?.time ?? 0, known[0]?.time ?? 0);
  const until = Math.min(shown.at(-1)?.time ?? 0, known.at(-1)?.time ?? 0);
  const within = (bar: ScreenBar) => bar.time >= from && bar.time < until;
  expect(known.filter(within).length).toBeGreaterThan(0);
  expect(shown.filter(within)).toEqual(known.filter(within));
  expect(await own.evaluate(() => window.sameDocument)).toBe(true);
}

async function expectChartGoesOn(chart: Frame): Promise<void> {
  await frame();
  const before = await chart.evaluate(() => candlecastWidget.bars().at(-1)?.close ?? 0);
  await chart.waitForFunction((close) => candlecastWidget.bars().at(-1)?.close !== close, before);
  const known = new Map((await closed(demo, '1m')).filter(({ x }) => x).map(({ t, c }) => [t / 1000, Number(c)]));
  const shown = (await chart.evaluate(() => candlecastWidget.bars())).filter(({ time }) => known.has(time));
  expect(shown.length).toBeGreaterThan(50);
  expect(shown.map(({ time, close }) => [time, close])).toEqual(shown.map(({ time }) => [time, known.get(time)]));
}

/** A page that listens to a stream; both channels are answered and live has begun. */
async function listening(url: string): Promise<Page> {
  const listener = await context.newPage();
  await listener.goto(elsewhereUrl('/events'));
  await listener.evaluate((address) => {
    Object.assign(window, { heard: [], ids: [] });
    new EventSource(address).onmessage = ({ data, lastEventId }) => {
      window.heard.push(JSON.parse(data));
      window.ids.push(lastEventId);
    };
  }, url);
  await listener.waitForFunction(() => window.heard.some(({ type }) => type === 'candle'));
  return listener;
}

async function expectEventsGoOn(listener: Page): Promise<void> {
  await listener.waitForFunction(() => window.heard.filter(({ type }) => type === 'subscribed').length >= 4);
  const before = await listener.evaluate(() => window.heard.filter(({ type }) => type === 'candle').length);
  await listener.waitForFunction((n) => window.heard.filter(({ type }) => type === 'candle').length > n, before);
  const answers = await listener.evaluate(() =>
    window.heard.flatMap((message) => (message.type === 'subscribed' && message.channel !== 'status' ? [message] : [])),
  );
  expect(answers.map(({ recovered }) => recovered)).toEqual([undefined, true]);
  expect(await listener.evaluate(() => window.ids.every((id, i) => i === 0 || id !== ''))).toBe(true);
}

/** As it is written: the first value begins it. */
function ema(values: readonly number[], period: number): number {
  const weight = 2 / (period + 1);
  return values.reduce((average, value) => average + weight * (value - average));
}

interface ApiDocuments {
  readonly operations: readonly string[];
  readonly messages: readonly string[];
}

async function apiDocuments(): Promise<ApiDocuments> {
  const { paths } = await server.json<{ paths: Record<string, Record<string, { operationId: string }>> }>(
    '/openapi.json',
  );
  const { operations } = await server.json<{
    operations: Record<string, { channel: { $ref: string }; messages: { $ref: string }[] }>;
  }>('/asyncapi.json');
  const ofSocket = Object.values(operations).filter(({ channel }) => channel.$ref.endsWith('/stream'));
  return {
    operations: Object.values(paths).flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId)),
    messages: ofSocket.flatMap(({ messages }) => messages.map(({ $ref }) => $ref.split('/').at(-1) ?? '')),
  };
}

describe('the page of the API', () => {
  test('is a click away from the chart, and has every operation and every message', async () => {
    await open(demo);
    await page.getByTestId('docs-link').click();
    await page.getByTestId('operation').first().waitFor();
    const { operations, messages } = await apiDocuments();
    const ids = await page.getByTestId('operation').evaluateAll((all) => all.map(({ id }) => id));
    expect(new Set(ids)).toEqual(new Set(operations));
    expect(ids.length).toBe(operations.length);
    const shown = await page.getByTestId('message').allInnerTexts();
    expect(new Set(shown.map((text) => text.split('\n')[0]))).toEqual(new Set(messages));
    expect(errors).toEqual([]);
  });

  test('says how a route is asked, and what its answers are', async () => {
    await page.goto(`${server.url}/docs#createRule`);
    const rule = page.locator('#createRule');
    await rule.waitFor();
    const command = await rule.locator('pre').first().textContent();
    expect(command).toMatch(/^curl -X POST.*\/v1\/rules'.*Authorization: Bearer <token>.*"type": "rsi"/s);
    await rule.locator('summary', { hasText: 'Condition' }).first().click();
    await rule.getByText('type: "bollinger"').click();
    await rule.getByText('deviations').first().waitFor();
    await rule.locator('summary', { hasText: '403' }).click();
    await rule.getByText('rule_limit').waitFor();
    expect(errors).toEqual([]);
  });

  test('is filtered by words, and fits a phone in both themes', async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme });
      await page.goto(`${server.url}/docs`);
      await page.getByTestId('operation').first().waitFor();
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
    }
    await page.getByRole('button', { name: 'Contents' }).click();
    await page.getByTestId('filter').fill('v1/rules');
    expect(await page.getByTestId('contents').locator('li:visible').count()).toBe(5);
    await page.getByTestId('contents').getByText('Change a rule').click();
    await page.locator('#changeRule h3').waitFor();
    expect(await page.getByTestId('contents').isVisible()).toBe(false);
    expect(errors).toEqual([]);
  });
});
