import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { pageRoutes } from '../../src/http/pages.js';
import { createRouter } from '../../src/http/router.js';
import { symbolsRoute } from '../../src/http/symbols.js';
import type { SymbolStatus } from '../../src/market/event.js';
import type { MarketFigures, SymbolFigures } from '../../src/web/analytics/api.js';
import { AnalyticsMarket, routesOver } from '../http/analytics/market.js';
import { type Day, plusDays } from '../http/analytics/reference.js';
import { request } from '../http/requests.js';
import { barriers } from './axe.js';
import { launchBrowser } from './browser.js';

const DIST = fileURLToPath(new URL('../../dist/web', import.meta.url));
const FIRST = '2024-01-01';
const LENGTH = 120;

/** What the functions that run in the page see there. */
declare const candlecastAnalytics: {
  state(): { symbol: string | null; loaded: boolean; marketLoaded: boolean };
  figures(): SymbolFigures | null;
  market(): MarketFigures | null;
};
declare const document: { documentElement: { scrollWidth: number; dataset: { theme: string } } };
declare const location: { hash: string };

/** Waves with a hole; the newest three days only of NEWDEMO, and none of FRESHDEMO. */
const DAYS: Day[] = ['AAADEMO', 'BBBUSDT', 'NEWDEMO'].flatMap((symbol, k) =>
  Array.from({ length: LENGTH }, (_, i) => {
    const [open, close] = [i - 1, i].map((at) => 100 + 20 * Math.sin(at / (7 + k)) + at / 3) as [number, number];
    const [high, low] = [Math.max(open, close) * 1.01, Math.min(open, close) * 0.99];
    return { symbol, date: plusDays(FIRST, i), open, high, low, close, volume: 10 + k, quoteVolume: close * (10 + k) };
  }).filter((_, i) => (symbol === 'NEWDEMO' ? i >= LENGTH - 3 : i < 50 || i >= 53)),
);
const SYMBOLS = ['AAADEMO', 'BBBUSDT', 'FRESHDEMO', 'NEWDEMO'].map((symbol) => ({
  symbol,
  source: 'test',
  synthetic: symbol.endsWith('DEMO'),
})) as unknown as SymbolStatus[];

let market: AnalyticsMarket;
let server: Server;
let browser: Browser;
let url: string;
let page: Page;
let errors: string[] = [];

beforeAll(async () => {
  [market, browser] = await Promise.all([AnalyticsMarket.open(), launchBrowser()]);
  await market.replace(DAYS);
  const symbols = { symbols: () => SYMBOLS };
  const pages = await pageRoutes(DIST);
  const answer = createRouter([...routesOver(market.source, symbols), symbolsRoute(symbols), ...pages]);
  server = createServer((asked, response) => {
    void Promise.resolve(answer(request('GET', asked.url ?? '/'))).then(({ status, headers, body }) => {
      response.writeHead(status, headers).end(body);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  // One for all tests: loading it is most of what they cost.
  page = await browser.newPage({ viewport: { width: 1000, height: 640 } });
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(String(error)));
});

afterAll(async () => {
  await browser?.close();
  server?.close();
  await market?.close();
});

beforeEach(() => {
  errors = [];
});

async function open(symbol: string): Promise<void> {
  await page.goto(`${url}/analytics#${symbol}`);
  await shows(symbol);
}

async function shows(symbol: string): Promise<void> {
  await page.waitForFunction((name) => {
    const { loaded, marketLoaded } = candlecastAnalytics.state();
    return loaded && marketLoaded && candlecastAnalytics.figures()?.daily.symbol === name;
  }, symbol);
}

const texts = async (selector: string) => await page.locator(selector).allInnerTexts();
const signed = (value: number, decimals = 2) => `${value < 0 ? '−' : '+'}${Math.abs(value * 100).toFixed(decimals)}%`;

describe('the analytics page', () => {
  test('shows the figures that REST answers', async () => {
    await open('AAADEMO');
    const [figures, all] = await page.evaluate(
      () => [candlecastAnalytics.figures(), candlecastAnalytics.market()] as const,
    );
    if (figures === null || all === null) throw new Error('nothing is loaded');
    const { drawdown, volatility, seasonality, daily } = figures;
    const facts = await texts('#facts dd');
    expect(facts[0]).toContain(signed(drawdown.cumulativeReturn ?? 0));
    expect(facts[1]).toContain(signed(drawdown.maxDrawdown?.depth ?? 0));
    expect(facts[3]).toContain(`${((volatility.realised ?? 0) * 100).toFixed(1)}%`);
    expect(facts[5]).toBe('117\n3 days missing');
    expect(daily.holes).toEqual([{ from: plusDays(FIRST, 50), to: plusDays(FIRST, 53) }]);
    expect(await texts('#weekdays .value')).toEqual(seasonality.weekdays.map(({ mean }) => signed(mean ?? 0)));
    expect(await texts('[data-testid=gainers] tbody th a')).toEqual(all.movers.gainers.map(({ symbol }) => symbol));
    expect(await texts('#volume tbody th a')).toEqual(all.volume.ranking.map(({ symbol }) => symbol));
    expect(await page.locator('#volume .synthetic').count()).toBe(2);
    const [row = []] = all.correlation.matrix;
    expect((await texts('.heat tbody tr:first-child td')).slice(1)).toEqual(
      row.slice(1).map((value) => value?.toFixed(2).replace('-', '−') ?? '–'),
    );
    expect(errors).toEqual([]);
  });

  test('has no barriers that axe knows, in either theme', async () => {
    await open('AAADEMO');
    expect(await barriers(page)).toEqual([]);
  });

  test('follows the address, the period, and the theme, and leads to the live chart', async () => {
    await open('AAADEMO');
    expect(await page.getByTestId('synthetic-badge').isVisible()).toBe(true);
    await page.locator('#periods').getByText('30D').click();
    await page.waitForFunction(() => candlecastAnalytics.figures()?.daily.days.length === 30);
    await page.getByTestId('symbol-button').click();
    await page.getByTestId('option-BBBUSDT').click();
    await shows('BBBUSDT');
    expect(await page.getByTestId('synthetic-badge').isVisible()).toBe(false);
    expect(await page.getByTestId('chart-link').getAttribute('href')).toBe('/#BBBUSDT/1d');
    await page.goBack();
    await shows('AAADEMO');
    const before = await page.evaluate(() => document.documentElement.dataset.theme);
    await page.getByTestId('theme-button').click();
    expect(await page.evaluate(() => document.documentElement.dataset.theme)).not.toBe(before);
    expect(errors).toEqual([]);
  });

  test('says what is too little for which figure', async () => {
    await open('NEWDEMO');
    expect(await page.locator('#history-note').textContent()).toMatch(/^3 whole days so far/);
    await page.evaluate(() => {
      location.hash = '#FRESHDEMO';
    });
    await shows('FRESHDEMO');
    expect(await page.getByTestId('history-empty').textContent()).toMatch(/No whole day of FRESHDEMO yet/);
    expect(await page.locator('#weekdays').textContent()).toMatch(/Needs two whole days in a row/);
    await page.goto(`${url}/analytics#NOPE`);
    await page.getByText('No feed has NOPE').waitFor();
  });

  test('fits a phone', async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    await open('AAADEMO');
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
  });
});
