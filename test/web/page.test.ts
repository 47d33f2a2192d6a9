import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { WireCandle } from '../../src/wire/messages.js';
import { testDataDir } from '../support/database.js';
import { Server } from '../support/server.js';
import { barriers, barriersIn } from './axe.js';
import { launchBrowser } from './browser.js';

const TRADES = fileURLToPath(new URL('../fixtures/binance-XRPETH-trades.csv.gz', import.meta.url));
const FEEDS = `demo;replay:${TRADES}?speed=0&symbol=XRPETH`;
/** Minutes from the first to the last of the replayed trades. */
const REPLAYED_CANDLES = 3_560;

interface ScreenBar {
  time: number;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
}

/** What the functions that run in the page see there; text is not evaluated under its policy. */
declare const candlecast: {
  bars(): ScreenBar[];
  visible(): { from: number; to: number } | null;
  state(): { symbol: string | null; interval: string; link: string; market: string };
};
declare const candlecastWidget: { state(): { state: string } };
declare const candlecastAnalytics: {
  state(): { symbol: string | null; loaded: boolean; marketLoaded: boolean };
};
declare const location: { hash: string };
declare const document: { documentElement: { scrollWidth: number } };
declare const requestAnimationFrame: (run: () => void) => void;
interface SymbolEntry {
  symbol: string;
  synthetic: boolean;
  state: string;
}

let browser: Browser;
let server: Server;
let dataDir: string;
let demoSymbol: string;
let page: Page;
let errors: string[] = [];

beforeAll(async () => {
  dataDir = await testDataDir();
  [browser, server] = await Promise.all([launchBrowser(), Server.start({ DATA_DIR: dataDir, FEEDS })]);
  demoSymbol = await replayDone();
  await newPage();
}, 180_000);

afterAll(async () => {
  await browser?.close();
  await server?.stop();
  await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
});

beforeEach(() => {
  errors = [];
});

/** Tests go on in the page of the one before: loading it is most of what they cost. This one begins anew. */
async function newPage(): Promise<void> {
  await page?.close();
  page = await browser.newPage({ viewport: { width: 1000, height: 640 } });
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(String(error)));
}

/** Waits until the replay has ended. @returns the name of a synthetic symbol. */
async function replayDone(): Promise<string> {
  for (;;) {
    const { symbols } = await server.json<{ symbols: SymbolEntry[] }>('/v1/symbols');
    const demo = symbols.find((entry) => entry.synthetic);
    const replay = symbols.find((entry) => entry.symbol === 'XRPETH');
    if (demo !== undefined && replay?.state === 'ended') return demo.symbol;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

async function open(hash: string): Promise<void> {
  await page.goto(`${server.url}/${hash}`);
  const [, symbol = '', interval = ''] = /^#(.+)\/(.+)$/.exec(hash) ?? [];
  await page.waitForFunction(
    ([name, wanted]) => candlecast.state().symbol === name && candlecast.state().interval === wanted,
    [symbol, interval] as const,
  );
  await ready();
}

async function ready(): Promise<void> {
  await page.waitForFunction(() => candlecast.state().market === 'ready' && candlecast.state().link === 'live');
}

async function bars(): Promise<ScreenBar[]> {
  return await page.evaluate(() => candlecast.bars());
}

/** What was asked of the chart has been drawn. */
async function settled(): Promise<void> {
  await page.evaluate(() => new Promise<void>((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

async function candles(symbol: string, interval: string, limit: number): Promise<WireCandle[]> {
  const query = new URLSearchParams({ symbol, interval, limit: String(limit) });
  return (await server.json<{ candles: WireCandle[] }>(`/v1/candles?${query}`)).candles;
}

function onScreen({ t, o, h, l, c, v }: WireCandle): ScreenBar {
  return { time: t / 1000, open: +o, high: +h, low: +l, close: +c, volume: +v };
}

/** The closed candles among those the server has must stand on screen as they are, from the first bar on screen to the last closed one. */
async function expectScreenEqualsServer(symbol: string, interval: string): Promise<void> {
  const shown = await bars();
  const known = (await candles(symbol, interval, 1000)).filter((candle) => candle.x).map(onScreen);
  const from = Math.max(shown[0]?.time ?? 0, known[0]?.time ?? 0);
  const until = Math.min(shown.at(-1)?.time ?? 0, known.at(-1)?.time ?? 0);
  const within = (bar: ScreenBar) => bar.time >= from && bar.time < until;
  expect(known.filter(within).length).toBeGreaterThan(0);
  expect(shown.filter(within)).toEqual(known.filter(within));
}

describe('the chart page', () => {
  test('draws the candles that REST answers', async () => {
    await open('#XRPETH/1m');
    await page.waitForFunction((least) => candlecast.bars().length > least, 1000);
    const shown = await bars();
    expect(shown.slice(-1000)).toEqual((await candles('XRPETH', '1m', 1000)).map(onScreen));
    expect(await page.getByTestId('price').textContent()).toMatch(/^0\.00\d{6}$/);
    expect(errors).toEqual([]);
  });

  test('takes live updates', async () => {
    await open(`#${demoSymbol}/1m`);
    const before = JSON.stringify((await bars()).at(-1));
    await page.waitForFunction((text) => JSON.stringify(candlecast.bars().at(-1)) !== text, before);
    await expectScreenEqualsServer(demoSymbol, '1m');
    expect(errors).toEqual([]);
  });

  test('marks synthetic data, and only that', async () => {
    await open(`#${demoSymbol}/1m`);
    await page.getByTestId('synthetic-badge').waitFor({ state: 'visible' });
    await page.evaluate(() => {
      location.hash = '#XRPETH/1m';
    });
    await page.waitForFunction(() => candlecast.state().symbol === 'XRPETH');
    await page.getByTestId('synthetic-badge').waitFor({ state: 'hidden' });
  });

  test('switches the interval, and goes back', async () => {
    await open('#XRPETH/1m');
    await page.getByTestId('interval-1h').click();
    await page.waitForFunction(() => candlecast.state().interval === '1h' && candlecast.state().market === 'ready');
    await expectScreenEqualsServer('XRPETH', '1h');
    expect(await page.evaluate(() => location.hash)).toBe('#XRPETH/1h');
    await page.goBack();
    await page.waitForFunction(() => candlecast.state().interval === '1m' && candlecast.state().market === 'ready');
    expect(errors).toEqual([]);
  });

  test('loads older candles up to the first, without moving what is in sight', async () => {
    await newPage();
    let release = () => {};
    const asked: string[] = [];
    await page.route('**/v1/candles?*', async (route) => {
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      asked.push(route.request().url());
      await released;
      await route.continue();
    });
    await open('#XRPETH/1m');
    await page.getByTestId('canvas').focus();
    for (let released = 0; (await bars()).length < REPLAYED_CANDLES; released++) {
      const held = (await bars()).length;
      while (asked.length === released) {
        await page.keyboard.press('PageUp');
        await settled();
      }
      const seen = await page.evaluate(() => candlecast.visible());
      release();
      await page.waitForFunction((before) => candlecast.bars().length > before, held);
      await settled();
      expect(await page.evaluate(() => candlecast.visible())).toEqual(seen);
    }
    const shown = await bars();
    expect(shown.length).toBe(REPLAYED_CANDLES);
    expect(new Set(shown.map((bar) => bar.time)).size).toBe(REPLAYED_CANDLES);
    expect(errors).toEqual([]);
  });

  test('finds a symbol by keyboard', async () => {
    await open(`#${demoSymbol}/1m`);
    await page.keyboard.press('/');
    await page.getByTestId('symbol-search').fill('xrpeth');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => candlecast.state().symbol === 'XRPETH' && candlecast.state().market === 'ready');
    expect(await page.title()).toContain('XRPETH');
  });

  test('says so when a symbol does not exist', async () => {
    await page.goto(`${server.url}/#NOSUCH/1m`);
    await page.getByText('There is no symbol NOSUCH').waitFor();
    expect(errors).toEqual([]);
  });

  test('shows the health of each feed', async () => {
    await open('#XRPETH/1m');
    await page.getByTestId('health-button').click();
    const row = page.getByTestId('health-XRPETH');
    await row.waitFor({ state: 'visible' });
    expect(await row.getAttribute('data-state')).toBe('ended');
    expect(await row.textContent()).toMatch(/Ended\d\d:\d\d:\d\d · /);
    expect(await page.getByTestId(`health-${demoSymbol}`).getAttribute('data-state')).toBe('live');
  });

  test('leads to the analytics of its symbol, and back', async () => {
    await open('#XRPETH/1h');
    await page.getByTestId('analytics-link').click();
    await page.waitForURL(/\/analytics/);
    await page.waitForFunction(() => candlecastAnalytics.state().loaded && candlecastAnalytics.state().marketLoaded);
    expect(await page.evaluate(() => candlecastAnalytics.state().symbol)).toBe('XRPETH');
    await page.getByTestId('chart-link').click();
    await page.waitForURL(/\/#XRPETH\/1d$/);
    await ready();
    expect(errors).toEqual([]);
  });

  test('has no barriers that axe knows, in either theme, panels and embedded chart included', async () => {
    await newPage();
    await open(`#${demoSymbol}/1m`);
    await page.getByTestId('synthetic-badge').waitFor({ state: 'visible' });
    expect(await barriers(page)).toEqual([]);
    for (const name of ['symbol', 'health', 'indicator']) {
      await page.getByTestId(`${name}-button`).click();
      await page.getByTestId(`${name}-panel`).waitFor({ state: 'visible' });
      expect(await barriersIn(page, `[data-testid="${name}-panel"]`)).toEqual([]);
      await page.keyboard.press('Escape');
    }
    await page.getByTestId('account-button').click();
    await page.getByTestId('login').waitFor({ state: 'visible' });
    expect(await barriersIn(page, '[data-testid="login"]')).toEqual([]);
    await page.goto(`${server.url}/embed#symbol=XRPETH&interval=1m&indicators=sma,rsi`);
    await page.waitForFunction(() => candlecastWidget.state().state === 'ready');
    expect(await barriers(page)).toEqual([]);
  });

  test('fits a phone', async () => {
    await newPage();
    await page.setViewportSize({ width: 390, height: 844 });
    await open(`#${demoSymbol}/1m`);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
    expect(await page.getByTestId('theme-button').isVisible()).toBe(true);
    expect(await page.getByTestId('interval-3m').isVisible()).toBe(false);
    await page.getByTestId('more-intervals').click();
    await page.getByTestId('more-interval-3m').click();
    await page.waitForFunction(() => candlecast.state().interval === '3m' && candlecast.state().market === 'ready');
  });
});
