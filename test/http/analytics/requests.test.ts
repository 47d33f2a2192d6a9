import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AnalyticsTooLarge, AnalyticsUnavailable } from '../../../src/analytics/database.js';
import { AnalyticsQueries } from '../../../src/analytics/queries/queries.js';
import type { Entitlements } from '../../../src/wire/identity.js';
import { bodyOf } from '../requests.js';
import { AnalyticsMarket, asker } from './market.js';
import { type Day, plusDays } from './reference.js';

const LONG = 4500;
const FIRST = '2012-01-01';
const LAST = plusDays(FIRST, LONG - 1);
const AFTER = plusDays(LAST, 1);

/** LONG is longer than what is answered at once; SHORT is its newest ten days. */
const DAYS: readonly Day[] = ['LONGUSDT', 'SHORTBTC'].flatMap((symbol) =>
  Array.from({ length: LONG }, (_, i) => ({
    symbol,
    date: plusDays(FIRST, i),
    open: 100,
    high: 102,
    low: 99,
    close: 101 + (i % 7) / 10,
    volume: 5,
    quoteVolume: 500,
  })).slice(symbol === 'SHORTBTC' ? -10 : 0),
);

let market: AnalyticsMarket;
let ask: ReturnType<typeof asker>;

beforeAll(async () => {
  market = await AnalyticsMarket.open();
  await market.replace(DAYS);
  ask = asker(market.source, null, ['FEDUSDT']);
});

afterAll(async () => {
  await market?.close();
});

const answered = async (query: string, headers = {}) => {
  const response = await ask(query, headers);
  expect(response.status, String(response.body)).toBe(200);
  return bodyOf(response);
};

test.each([
  ['daily', /"symbol" is missing, such as symbol=BTCUSDT/],
  ['daily?symbol=longusdt', /"symbol" must be 1 to 50 characters.*it is "longusdt"/],
  ['daily?symbol=LONGUSDT&symbol=X', /"symbol" is given more than once/],
  ['daily?symbol=LONGUSDT&limit=5', /Unknown parameter "limit"; known: symbol, from, to, days, format/],
  ['daily?symbol=LONGUSDT&days=0', /"days" must be an integer from 1 to 4000; it is "0"/],
  ['daily?symbol=LONGUSDT&days=4001', /"days" must be an integer from 1 to 4000; it is "4001"/],
  ['daily?symbol=LONGUSDT&days=5&from=2020-01-01', /either "from" or "days"/],
  ['daily?symbol=LONGUSDT&from=2020-01-02&to=2020-01-02', /"from" must be before "to"/],
  ['daily?symbol=LONGUSDT&from=2020-02-30', /"from" must be epoch milliseconds/],
  ['daily?symbol=LONGUSDT&to=1577836800', /looks like epoch seconds; give milliseconds: 1577836800000/],
  ['daily?symbol=LONGUSDT&format=xml', /"format" must be json \(the default\) or csv; it is "xml"/],
  ['volatility?symbol=LONGUSDT&window=1', /"window" must be an integer from 2 to 365/],
  ['volatility?symbol=LONGUSDT&window=366', /"window" must be/],
  ['movers?symbol=LONGUSDT', /Unknown parameter "symbol"; known: days, to, limit, format/],
  ['movers?limit=101', /"limit" must be an integer from 1 to 100/],
  ['volume?quote=usdt', /"quote" must be the end of symbols' names, such as USDT.*it is "usdt"/],
  ['volume?limit=1001', /"limit" must be an integer from 1 to 1000/],
  ['correlation?symbols=LONGUSDT', /at least two symbols; it is only LONGUSDT/],
  ['correlation?symbols=LONGUSDT,LONGUSDT', /has LONGUSDT more than once/],
  ['correlation?symbols=LONGUSDT,', /must be symbols with commas between them.*one is ""/],
  [`correlation?symbols=${Array.from({ length: 26 }, (_, i) => `S${i}`)}`, /at most 25 symbols; these are 26/],
])('%s is a 400 that says why', async (query, message) => {
  const response = await ask(query);
  expect([response.status, response.headers['content-type']]).toEqual([400, 'application/problem+json']);
  expect(bodyOf(response).detail).toMatch(message);
});

test.each(['daily', 'volatility', 'drawdown', 'seasonality'])(
  'more days than %s answers at once: what would fit',
  async (name) => {
    const whole = await ask(`${name}?symbol=LONGUSDT&from=${FIRST}`);
    expect(whole.status).toBe(400);
    const { detail } = bodyOf(whole);
    expect(detail).toContain('These are 4500 days');
    const [, from, to] = /from=(\S+) up to here, or to=(\S+) from there/.exec(detail) ?? [];
    expect(await answered(`${name}?symbol=LONGUSDT&from=${from}`)).toMatchObject({ from, to: AFTER });
    expect(await answered(`${name}?symbol=LONGUSDT&from=${FIRST}&to=${to}`)).toMatchObject({ from: FIRST, to });
    expect((await ask(`${name}?symbol=LONGUSDT&from=${FIRST}&to=${plusDays(to ?? '', 1)}`)).status).toBe(400);
  },
);

test('days that begin within from and to, up to the newest', async () => {
  const dates = async (query: string) =>
    (await answered(`daily?symbol=SHORTBTC&${query}`)).days.map(({ date }: { date: string }) => date);
  const newest = [plusDays(LAST, -1), LAST];
  expect(await dates('days=2')).toEqual(newest);
  expect(await dates(`from=${plusDays(LAST, -1)}`)).toEqual(newest);
  expect(await dates(`from=${plusDays(LAST, -2)}T00:00:00.001Z&to=9999-01-01`)).toEqual(newest);
  expect(await dates(`days=1&to=${LAST}T12:00:00Z`)).toEqual([LAST]);
  expect(await dates(`days=1&to=${LAST}`)).toEqual([plusDays(LAST, -1)]);
  expect(await dates(`to=${FIRST}`)).toEqual([]);
});

test('a symbol that nobody knows is a 404, one without a whole day yet has empty answers', async () => {
  for (const query of ['daily?symbol=NOPE', 'correlation?symbols=LONGUSDT,NOPE']) {
    const response = await ask(query);
    expect([response.status, bodyOf(response).code]).toEqual([404, 'unknown_symbol']);
    expect(bodyOf(response).detail).toMatch(/No feed has NOPE/);
  }
  const nothing = { symbol: 'FEDUSDT', from: null, to: null };
  expect(await answered('daily?symbol=FEDUSDT')).toEqual({ ...nothing, days: [], holes: [] });
  expect(await answered('drawdown?symbol=FEDUSDT')).toMatchObject({ ...nothing, maxDrawdown: null, points: [] });
  expect(await answered('volatility?symbol=FEDUSDT')).toMatchObject({ ...nothing, realised: null, points: [] });
  expect((await answered('seasonality?symbol=FEDUSDT')).weekdays).toHaveLength(7);
  expect((await answered('correlation?symbols=LONGUSDT,FEDUSDT')).matrix[0]).toEqual([expect.closeTo(1, 9), null]);
});

test('without symbols the correlation is of those that trade most', async () => {
  expect((await answered('correlation?days=10')).symbols).toEqual(['LONGUSDT', 'SHORTBTC']);
});

test('volumes are in a quote currency, which selects', async () => {
  const quotes = (body: { ranking: { symbol: string; quote: string }[] }) =>
    body.ranking.map(({ symbol, quote }) => [symbol, quote]);
  expect(quotes(await answered('volume?days=3'))).toEqual([
    ['LONGUSDT', 'USDT'],
    ['SHORTBTC', 'BTC'],
  ]);
  expect(quotes(await answered('volume?days=3&quote=BTC'))).toEqual([['SHORTBTC', 'BTC']]);
});

test('Accept asks for CSV, and format has the last word', async () => {
  const typeOf = async (accept: string, query = 'daily?symbol=SHORTBTC') =>
    String((await ask(query, { accept })).headers['content-type']).split(';')[0];
  expect(await typeOf('text/csv')).toBe('text/csv');
  expect(await typeOf('text/csv, application/json;q=0.5, */*;q=0.1')).toBe('text/csv');
  expect(await typeOf('application/json, text/csv;q=0.9')).toBe('application/json');
  expect(await typeOf('text/csv;q=0')).toBe('application/json');
  expect(await typeOf('*/*')).toBe('application/json');
  expect(await typeOf('text/csv', 'daily?symbol=SHORTBTC&format=json')).toBe('application/json');
});

const plan: Entitlements = {
  plan: 'free',
  connections: 1,
  channels: 1,
  historyDays: 5,
  intervals: null,
  signalsPerDay: 0,
  signalSymbols: null,
  rules: 0,
};

test('a plan gives its days of history, and nothing is computed from older ones', async () => {
  const limited = { plan: 'free', historyDays: 5 };
  const asFree = async (query: string) => bodyOf(await asker(market.source, plan)(query));
  const oldest = plusDays(LAST, -5);
  const { days, ...daily } = await asFree('daily?symbol=LONGUSDT');
  expect(daily).toMatchObject({ from: oldest, to: AFTER, limited });
  expect(days).toHaveLength(6);
  expect(days[0].return).toBeNull();
  expect(await asFree('volatility?symbol=LONGUSDT&days=6')).toMatchObject({ returns: 5, days: 6 });
  expect(await asFree('movers?days=30')).toMatchObject({ from: oldest, limited });
  expect(await asFree(`volume?to=${oldest}`)).toMatchObject({ ranking: [], limited });
  expect(await asFree('daily?symbol=LONGUSDT&days=6')).not.toHaveProperty('limited');
  const hourly = await asker(market.source, { ...plan, intervals: ['1h'] })('movers');
  expect([hourly.status, bodyOf(hourly)]).toMatchObject([403, { code: 'plan_limit', limit: 'intervals' }]);
});

test('ClickHouse that is away, missing, or asked too much', async () => {
  const failing = (error: Error) => asker(new AnalyticsQueries({ rows: () => Promise.reject(error) }));
  const away = await failing(new AnalyticsUnavailable('connect ECONNREFUSED 10.1.2.3', 7))('movers');
  expect([away.status, away.headers['retry-after']]).toEqual([503, '7']);
  expect(String(away.body)).not.toContain('10.1.2.3');
  const missing = await failing(new AnalyticsUnavailable('chdb is not installed', null))('movers');
  expect([missing.status, missing.headers['retry-after']]).toEqual([503, '60']);
  expect(bodyOf(missing)).toMatchObject({ code: 'analytics_unavailable', detail: 'chdb is not installed.' });
  const tooMuch = await failing(new AnalyticsTooLarge('rows', 10))('movers');
  expect(tooMuch.status).toBe(400);
  expect(bodyOf(tooMuch).detail).toMatch(/more than the 10 rows it may: ask for fewer symbols or a shorter time/);
  const broken = await failing(new Error('Code: 60. Unknown table'))('movers');
  expect([broken.status, String(broken.body).includes('Unknown table')]).toEqual([503, false]);
});

test('no query string makes it fail', async () => {
  const resource = fc.constantFrom('daily', 'movers', 'volatility', 'drawdown', 'correlation', 'volume', 'seasonality');
  const name = fc.constantFrom('symbol', 'symbols', 'from', 'to', 'days', 'window', 'quote', 'limit', 'format', 'x');
  const value = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      'LONGUSDT',
      'LONGUSDT,SHORTBTC',
      '0',
      '3',
      '-1',
      "'",
      '1e9',
      'csv',
      FIRST,
      LAST,
      '9999-12-31',
      '-1',
    ),
    fc.integer().map(String),
  );
  await fc.assert(
    fc.asyncProperty(resource, fc.array(fc.tuple(name, value), { maxLength: 4 }), async (path, pairs) => {
      const query = new URLSearchParams(pairs);
      if (path !== 'movers' && path !== 'volume') query.append('symbol', 'LONGUSDT');
      const response = await ask(`${path}?${query}`);
      expect([200, 400, 404]).toContain(response.status);
    }),
    { numRuns: 40 },
  );
});
