import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AnalyticsMarket, asker } from './market.js';
import type { Day } from './reference.js';

const text = readFileSync(fileURLToPath(new URL('../../../docs/analytics.md', import.meta.url)), 'utf8');
const EXAMPLE = /```\nGET \/v1\/analytics\/(\S+)\n```\n\n```(json|csv)\n([\s\S]*?)```/g;

/** The table of the document. */
const days: Day[] = [...text.matchAll(/^\| ([A-Z]+) \| (\d{4}-\d\d-\d\d) \|(.*)\|$/gm)].map(
  ([, symbol = '', date = '', figures = '']) => {
    const [open = 0, high = 0, low = 0, close = 0, volume = 0] = figures.split('|').map(Number);
    return { symbol, date, open, high, low, close, volume, quoteVolume: 0 };
  },
);

/** The last figures may differ from one build of ClickHouse to another. */
const rounded = (answer: string) => answer.replace(/-?\d+\.\d{10,}/g, (figure) => Number(figure).toPrecision(12));

let market: AnalyticsMarket;

beforeAll(async () => {
  market = await AnalyticsMarket.open();
  await market.replace(days);
});

afterAll(async () => {
  await market?.close();
});

test('every example of docs/analytics.md answers what it says', async () => {
  const examples = [...text.matchAll(EXAMPLE)];
  expect(examples).toHaveLength(7);
  for (const [, query = '', kind, answer = ''] of examples) {
    const { status, body } = await asker(market.source)(query);
    expect(status).toBe(200);
    const [found, expected] = [rounded(String(body).replaceAll('\r\n', '\n')), rounded(answer)];
    if (kind === 'json') expect(JSON.parse(found), query).toEqual(JSON.parse(expected));
    else expect(found, query).toBe(expected);
  }
});
