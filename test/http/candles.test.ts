import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type CandleSource, candlesRoute } from '../../src/http/candles.js';
import { decodeCursor, encodeCursor } from '../../src/http/cursor.js';
import { Readers } from '../../src/http/readers.js';
import { silentLog } from '../../src/kit/log.js';
import type { Candle } from '../../src/market/candle.js';
import { MINUTE_MS } from '../../src/market/interval.js';
import type { Entitlements } from '../../src/wire/identity.js';
import { bodyOf, request } from './requests.js';

const T0 = 1570752000000;
const COUNT = 1500;

/** Minutes from T0 on, every third one flat, the last one open. */
const CANDLES: Candle[] = Array.from({ length: COUNT }, (_, index) => ({
  symbol: 'XRPETH',
  interval: '1m',
  openTime: T0 + index * MINUTE_MS,
  open: '1.00000000',
  high: '2.00000000',
  low: '0.50000000',
  close: '1.50000000',
  volume: '3.00000000',
  quoteVolume: '3.0000000000000000',
  takerBuyVolume: '1.00000000',
  takerBuyQuoteVolume: '1.0000000000000000',
  trades: index % 3 === 0 ? 0 : index,
  firstTradeId: null,
  lastTradeId: null,
  firstTradeTime: null,
  lastTradeTime: null,
  closed: index < COUNT - 1,
  revision: index === 4 ? 2 : 0,
  seq: index,
}));

const source: CandleSource = {
  async query(symbol, _interval, { from, to, limit }) {
    if (symbol !== 'XRPETH') return { candles: [], known: false };
    const range = CANDLES.filter(
      ({ openTime }) => openTime >= (from ?? 0) && openTime < (to ?? Number.POSITIVE_INFINITY),
    );
    return { candles: from === undefined ? range.slice(-limit) : range.slice(0, limit), known: true };
  },
};
const visitors = new Readers(null, null, silentLog);
const route = candlesRoute(source, visitors, silentLog);

async function get(query: string) {
  const response = await route.handle(request('GET', `/v1/candles?${query}`), {});
  return { status: response.status, headers: response.headers, body: bodyOf(response) };
}

const BASE = 'symbol=XRPETH&interval=1m';
const times = (body: { candles: { t: number }[] }) => body.candles.map(({ t }) => t);
const range = (from: number, to: number) => CANDLES.slice(from, to).map(({ openTime }) => openTime);

test('without bounds: the latest 500, the open one last', async () => {
  const { status, body } = await get(BASE);
  expect(status).toBe(200);
  expect(times(body)).toEqual(range(COUNT - 500, COUNT));
  expect(body.candles.at(-1).x).toBe(false);
  expect(body).toMatchObject({ symbol: 'XRPETH', interval: '1m', next: null });
});

test('the shape of a candle', async () => {
  const { body } = await get(`${BASE}&from=${T0 + 4 * MINUTE_MS}&limit=1`);
  expect(body.candles).toEqual([
    {
      t: T0 + 240_000,
      o: '1.00000000',
      h: '2.00000000',
      l: '0.50000000',
      c: '1.50000000',
      v: '3.00000000',
      n: 4,
      x: true,
      r: 2,
    },
  ]);
});

test('from is inclusive, to exclusive, ISO-8601 and epoch ms alike', async () => {
  const { body } = await get(`${BASE}&from=2019-10-11T00:01:00Z&to=2019-10-11T00:03:00Z`);
  expect(times(body)).toEqual(range(1, 3));
  expect(body.next).toBeNull();
  expect((await get(`${BASE}&from=${T0 + 60_000}&to=${T0 + 180_000}`)).body).toEqual(body);
  expect((await get(`${BASE}&from=2019-10-11T02:01:00+02:00&to=2019-10-11T00:03:00.000Z`)).body).toEqual(body);
  expect(times((await get(`${BASE}&from=2019-10-11&limit=2`)).body)).toEqual(range(0, 2));
});

test('only to: the latest before it', async () => {
  expect(times((await get(`${BASE}&to=${T0 + 10 * MINUTE_MS}&limit=3`)).body)).toEqual(range(7, 10));
});

test('following next visits every candle once, whatever the limit', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 400 }), async (limit, length) => {
      const to = T0 + length * MINUTE_MS;
      const seen: number[] = [];
      let start = `from=${T0}`;
      for (;;) {
        const { body } = await get(`${BASE}&${start}&to=${to}&limit=${limit}`);
        expect(body.candles.length).toBeLessThanOrEqual(limit);
        seen.push(...times(body));
        if (body.next === null) break;
        start = `cursor=${body.next}`;
      }
      expect(seen).toEqual(range(0, length));
    }),
    { numRuns: 30 },
  );
});

test('fill=none leaves flat candles out, and pages go on', async () => {
  const { body } = await get(`${BASE}&from=${T0}&limit=6&fill=none`);
  expect(body.candles.map(({ n }: { n: number }) => n)).toEqual([1, 2, 4, 5]);
  expect(decodeCursor(body.next)).toBe(T0 + 6 * MINUTE_MS);
});

test.each([
  ['interval=1m', /"symbol" is missing/],
  ['symbol=xrpeth&interval=1m', /"symbol" must be 1 to 50 characters.*it is "xrpeth"/],
  ['symbol=XRPETH', /"interval" must be one of 1m 3m.*it is missing/],
  ['symbol=XRPETH&interval=7m', /"interval" must be one of/],
  ['symbol=XRPETH&interval=1m&interval=5m', /"interval" is given more than once/],
  [`${BASE}&form=1`, /Unknown parameter "form"; known: symbol, interval, from/],
  [`${BASE}&from=${T0}&to=${T0}`, /"from" must be before "to"/],
  [`${BASE}&from=${T0 + 1}&to=${T0}`, /"from" must be before "to"/],
  [`${BASE}&from=yesterday`, /"from" must be epoch milliseconds.*or ISO-8601.*"yesterday"/],
  [`${BASE}&from=2019-02-30`, /"from" must be/],
  [`${BASE}&from=2019-13-01T00:00:00Z`, /"from" must be/],
  [`${BASE}&from=2019-10-11T00:00:00`, /no time zone: write "2019-10-11T00:00:00Z"/],
  [`${BASE}&from=1570752000`, /looks like epoch seconds; give milliseconds: 1570752000000/],
  [`${BASE}&to=99999999999999999`, /is no date/],
  [`${BASE}&from=`, /"from" must be/],
  [`${BASE}&limit=0`, /"limit" must be an integer from 1 to 1000/],
  [`${BASE}&limit=1001`, /"limit" must be/],
  [`${BASE}&limit=1e2`, /"limit" must be/],
  [`${BASE}&fill=zero`, /"fill" must be flat/],
  [`${BASE}&cursor=abc`, /"cursor" must be the "next"/],
  [`${BASE}&cursor=${encodeCursor(T0)}&from=1`, /either "from" or "cursor"/],
])('%s is a 400 that says why', async (query, message) => {
  const { status, headers, body } = await get(query);
  expect([status, headers['content-type']]).toEqual([400, 'application/problem+json']);
  expect(body.detail).toMatch(message);
});

test('an unknown symbol is a 404', async () => {
  const { status, body } = await get('symbol=NOPE&interval=1m');
  expect([status, body.code]).toEqual([404, 'unknown_symbol']);
});

test('history that cannot be read is a 503 with a time to come back', async () => {
  const broken = candlesRoute({ query: () => Promise.reject(new Error('connection refused')) }, visitors, silentLog);
  const response = await broken.handle(request('GET', `/v1/candles?${BASE}`), {});
  expect([response.status, response.headers['retry-after']]).toEqual([503, '2']);
  expect(String(response.body)).not.toContain('connection refused');
});

test('no query string makes it fail', async () => {
  const names = fc.constantFrom('symbol', 'interval', 'from', 'to', 'limit', 'fill', 'cursor', 'x');
  const values = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('XRPETH', '1m', '1M', '0', `${T0}`, '-1'));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(names, values), { maxLength: 8 }), async (pairs) => {
      const { status } = await get(new URLSearchParams(pairs).toString());
      expect([200, 400, 404]).toContain(status);
    }),
  );
});

const free: Entitlements = {
  plan: 'free',
  connections: 1,
  channels: 1,
  historyDays: 1,
  intervals: ['1m'],
  signalsPerDay: 0,
  signalSymbols: null,
  rules: 0,
};
const limited = candlesRoute(source, new Readers(null, free, silentLog), silentLog);

test('a plan gives its intervals and its days of history, counted from the newest candle, and says what it cut off', async () => {
  const ask = async (query: string) => {
    const response = await limited.handle(request('GET', `/v1/candles?symbol=XRPETH&${query}`), {});
    return { status: response.status, body: bodyOf(response) };
  };
  const oldest = T0 + (COUNT - 1) * MINUTE_MS - 24 * 60 * MINUTE_MS;
  expect(await ask('interval=5m')).toMatchObject({ status: 403, body: { code: 'plan_limit', limit: 'intervals' } });
  const cut = { plan: 'free', historyDays: 1 };
  const forward = (await ask(`interval=1m&from=${T0}&limit=10`)).body;
  expect(forward).toMatchObject({ limited: cut, candles: { length: 10, 0: { t: oldest } } });
  const backward = (await ask(`interval=1m&to=${oldest + 3 * MINUTE_MS}`)).body;
  expect(backward).toMatchObject({ limited: cut, candles: { length: 3, 0: { t: oldest } } });
  expect((await ask('interval=1m&limit=100')).body).not.toHaveProperty('limited');
  expect((await ask(`interval=1m&from=${oldest}&limit=5`)).body).not.toHaveProperty('limited');
});
