import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PushFeed } from '../../src/feed/push/push.js';
import { tradesRoute } from '../../src/http/trades.js';
import { systemClock } from '../../src/kit/clock.js';
import { bench } from '../feed/recorder.js';
import { bodyOf, request } from './requests.js';

const JSON_TYPE = 'application/json';
const LINES_TYPE = 'application/x-ndjson';
const dataDir = mkdtempSync(join(tmpdir(), 'candlecast-trades-'));
const context = bench(systemClock, dataDir);
const feed = new PushFeed(context, new Map());
const route = tradesRoute(feed);
let nextId = 1;

beforeAll(async () => {
  await feed.catchUp(() => {});
  await feed.start();
});
afterAll(async () => {
  await feed.stop();
  rmSync(dataDir, { recursive: true });
});

function trade() {
  return { symbol: 'T', id: nextId++, time: systemClock.now(), price: '1.5', quantity: '1', side: 'buy' };
}

async function post(body: string | Uint8Array, type = JSON_TYPE, query = '') {
  const response = await route.handle(request('POST', `/v1/trades${query}`, { 'content-type': type }, body), {});
  return { status: response.status, headers: response.headers, body: bodyOf(response) };
}

test.each([
  ['an object', JSON_TYPE, () => JSON.stringify({ trades: [trade(), trade()] })],
  ['an array', 'application/json; charset=utf-8', () => JSON.stringify([trade(), trade()])],
  ['lines', LINES_TYPE, () => `${JSON.stringify(trade())}\r\n\n${JSON.stringify(trade())}`],
])('trades as %s', async (_name, type, body) => {
  const before = context.sink.trades.length;
  expect(await post(body(), type)).toMatchObject({
    status: 200,
    body: { accepted: 2, duplicates: 0, corrected: 0, rejected: [] },
  });
  expect(context.sink.trades.length).toBe(before + 2);
});

test('a line that is not JSON is rejected under its number, the others are taken', async () => {
  const { status, body } = await post(`${JSON.stringify(trade())}\n{oops\n${JSON.stringify(trade())}\n`, LINES_TYPE);
  expect([status, body.accepted]).toEqual([200, 2]);
  expect(body.rejected).toEqual([
    { index: 1, code: 'bad_shape', reason: expect.stringContaining('must be an object') },
  ]);
});

test('a heartbeat is answered', async () => {
  expect(await post('{"trades":[]}')).toMatchObject({ status: 200, body: { accepted: 0 } });
});

test.each([
  ['not JSON', '{', JSON_TYPE, 400, /not JSON: it must be/],
  ['nothing', '', JSON_TYPE, 400, /not JSON/],
  ['no list', '{"trade":[]}', JSON_TYPE, 400, /no list of trades/],
  ['a number', '7', JSON_TYPE, 400, /no list of trades/],
  ['no JSON line', 'a\nb', LINES_TYPE, 400, /No line of the body is JSON/],
  ['not UTF-8', Buffer.from([0x5b, 0xff, 0x5d]), JSON_TYPE, 400, /not UTF-8/],
  ['a form', 'a=b', 'application/x-www-form-urlencoded', 415, /Send application\/json/],
  ['text', '[]', 'text/plain', 415, /Send application\/json/],
  ['no type', '[]', '', 415, /Send application\/json/],
  ['too many', `[${'0,'.repeat(10_000)}0]`, JSON_TYPE, 413, /may hold 10000 trades; this one has 10001/],
])('%s is refused', async (_name, body, type, status, detail) => {
  const answer = await post(body, type);
  expect([answer.status, answer.headers['content-type']]).toEqual([status, 'application/problem+json']);
  expect(answer.body.detail).toMatch(detail);
});

test('a bad collector name is refused', async () => {
  expect((await post('[]', JSON_TYPE, '?collector=a%20b')).status).toBe(400);
  expect((await post('[]', JSON_TYPE, '?collector=binance-1')).status).toBe(200);
});

test('without the push feed the answer says how to get it', async () => {
  const response = await tradesRoute(null).handle(
    request('POST', '/v1/trades', { 'content-type': JSON_TYPE }, '[]'),
    {},
  );
  expect(response.status).toBe(404);
  expect(bodyOf(response).detail).toContain('add "push" to FEEDS');
});

test('when nothing can be taken now it says so and when to come back', async () => {
  const closed = tradesRoute(new PushFeed(context, new Map()));
  const response = await closed.handle(request('POST', '/v1/trades', { 'content-type': JSON_TYPE }, '[]'), {});
  expect([response.status, response.headers['retry-after']]).toEqual([503, '2']);
});

test('every item of any JSON is either taken or rejected under its index', async () => {
  const odd = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.record({ symbol: fc.string(), id: fc.integer(), price: fc.double() }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(odd, { maxLength: 10 }), async (items) => {
      const { status, body } = await post(JSON.stringify(items));
      expect(status).toBe(200);
      expect(body.rejected.map(({ index }: { index: number }) => index)).toEqual(items.map((_, index) => index));
    }),
    { numRuns: 50 },
  );
});

test('deep nesting does no harm', async () => {
  const deep = `[${'['.repeat(100_000)}${']'.repeat(100_000)}]`;
  expect(await post(deep)).toMatchObject({ status: 200, body: { rejected: [{ index: 0, code: 'bad_shape' }] } });
});
