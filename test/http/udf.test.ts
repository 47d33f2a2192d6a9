import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CandleSource } from '../../src/http/candles.js';
import { Readers } from '../../src/http/readers.js';
import { createRouter } from '../../src/http/router.js';
import { type UdfOptions, udfRoutes } from '../../src/http/udf/routes.js';
import { systemClock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import type { Candle } from '../../src/market/candle.js';
import type { SymbolStatus } from '../../src/market/event.js';
import { bucketStart, INTERVALS, MINUTE_MS } from '../../src/market/interval.js';
import type { AuthResult, Entitlements } from '../../src/wire/identity.js';
import type { ListedSignal } from '../../src/wire/signals.js';
import { PLAN } from '../gateway/users.js';
import { request } from './requests.js';

const T0 = 1570752000000;
const COUNT = 3000;
/** Minutes from T0 on, without an hour in the middle; the last one is open. */
const MINUTES: Candle[] = Array.from({ length: COUNT }, (_, i) => candle(T0 + (i < 1500 ? i : i + 60) * MINUTE_MS, i));
const TIMES = MINUTES.map(({ openTime }) => openTime / 1000);
const END = (TIMES.at(-1) ?? 0) + 60;

function candle(openTime: number, i: number): Candle {
  const price = (1 + i / 1000).toFixed(8);
  return {
    symbol: 'XRPETH',
    interval: '1m',
    openTime,
    open: price,
    high: price,
    low: price,
    close: price,
    volume: '3.50000000',
    quoteVolume: '3.0000000000000000',
    takerBuyVolume: '1.00000000',
    takerBuyQuoteVolume: '1.0000000000000000',
    trades: 1,
    firstTradeId: null,
    lastTradeId: null,
    firstTradeTime: null,
    lastTradeTime: null,
    closed: i < COUNT - 1,
    revision: 0,
    seq: i,
  };
}

let away = false;
const candles: CandleSource = {
  async query(symbol, interval, { from, to, limit }) {
    if (away) throw Object.assign(new Error('away'), { name: 'HistoryUnavailable' });
    if (symbol !== 'XRPETH') return { candles: [], known: symbol === 'DEMO' };
    const all = interval === '1m' ? MINUTES : days();
    const range = all.filter(({ openTime }) => openTime >= (from ?? 0) && openTime < (to ?? Number.POSITIVE_INFINITY));
    return { candles: from === undefined ? range.slice(-limit) : range.slice(0, limit), known: true };
  },
};

/** One of each day, all alike but for the close. */
function days(): Candle[] {
  const starts = [...new Set(MINUTES.map(({ openTime }) => bucketStart('1d', openTime)))];
  return starts.map((start, i) => ({
    ...candle(start, i),
    interval: '1d',
    open: '100.00000000',
    close: `${100 + i}.5`,
  }));
}

const status = (symbol: string, source: string, synthetic = false): SymbolStatus => ({
  symbol,
  source,
  synthetic,
  state: 'live',
  since: T0,
  lastTradeTime: T0,
});
const SYMBOLS = [status('DEMO', 'demo', true), status('XRPETH', 'binance'), status('ETHXRP', 'kraken')];

const SIGNALS: ListedSignal[] = Array.from({ length: 1200 }, (_, i) => ({
  id: `0198f0c2-a1b2-7c3d-8e4f-${String(i).padStart(12, '0')}`,
  seq: i + 1,
  type: i % 2 === 0 ? 'cross' : 'note',
  symbol: 'XRPETH',
  data: i % 2 === 0 ? { above: '1.00000000' } : null,
  createdAt: T0 + i * MINUTE_MS + 500,
  expiresAt: null,
  source: i % 2 === 0 ? 'rule' : 'publisher',
  readAt: null,
}));

const identity = (scopes: readonly string[] | null) =>
  ({
    userId: 'alice',
    role: 'user',
    scopes,
    sessionId: null,
    keyId: null,
    expiresAt: null,
    entitlements: PLAN,
  }) as unknown as AuthResult;
const auth = {
  authenticate: async (token: string): Promise<AuthResult> => {
    if (token === 'alice') return identity(null);
    return token === 'candles' ? identity(['candles']) : { failure: 'invalid_token' };
  },
};

function serverOf(given: Partial<UdfOptions> = {}) {
  const router = createRouter(
    udfRoutes({
      candles,
      symbols: { symbols: () => SYMBOLS },
      readers: new Readers(null, null, silentLog),
      marks: {
        auth,
        signals: {
          list: async (userId, { before, limit, symbol }) => {
            const own = userId === 'alice' && symbol === 'XRPETH' ? SIGNALS : [];
            const older = own.filter(({ seq }) => before === null || seq < before).reverse();
            return { signals: older.slice(0, limit), stale: false };
          },
        },
      },
      clock: { ...systemClock, now: () => T0 + 999 },
      log: silentLog,
      ...given,
    }),
  );
  return async (path: string, headers: Record<string, string> = {}) => {
    const response = await router(request('GET', `/udf/${path}`, headers));
    const text = String(response.body);
    return { status: response.status, headers: response.headers, body: text.startsWith('1') ? text : JSON.parse(text) };
  };
}
const get = serverOf();
const history = async (query: string) => (await get(`history?symbol=XRPETH&resolution=1&${query}`)).body;

describe('what there is', () => {
  test('config', async () => {
    const { status, headers, body } = await get('config');
    expect(status).toBe(200);
    expect(headers['access-control-allow-origin']).toBe('*');
    expect(body).toMatchObject({
      supports_search: true,
      supports_group_request: false,
      supports_marks: true,
      supports_timescale_marks: true,
      supports_time: true,
      supported_resolutions: '1 3 5 15 30 60 120 240 360 480 720 1D 3D 1W 1M'.split(' '),
    });
    expect(body.supported_resolutions).toHaveLength(INTERVALS.length);
    expect(body.exchanges.map(({ value }: { value: string }) => value)).toEqual(['', 'BINANCE', 'DEMO', 'KRAKEN']);
  });

  test('the time, in seconds, as text', async () => {
    const { headers, body } = await get('time');
    expect([headers['content-type'], body]).toEqual(['text/plain; charset=utf-8', String(T0 / 1000)]);
  });

  test.each(['XRPETH', 'BINANCE:XRPETH'])('a symbol, as %s', async (name) => {
    const { body } = await get(`symbols?symbol=${name}`);
    expect(body).toMatchObject({
      name: 'XRPETH',
      ticker: 'XRPETH',
      exchange: 'BINANCE',
      session: '24x7',
      timezone: 'Etc/UTC',
      minmov: 1,
      pricescale: 1000,
      volume_precision: 1,
      data_status: 'streaming',
      has_intraday: true,
      has_daily: true,
      has_weekly_and_monthly: true,
    });
    expect('s' in body).toBe(false);
  });

  test('synthetic data says so', async () => {
    expect((await get('symbols?symbol=DEMO')).body.description).toBe('DEMO (synthetic data)');
    expect((await get('search?query=demo')).body[0].description).toBe('DEMO (synthetic data)');
  });

  test('search: beginnings first, by type and exchange, no more than asked for', async () => {
    const names = async (query: string) =>
      (await get(`search?${query}`)).body.map(({ symbol }: { symbol: string }) => symbol);
    expect(await names('query=xrp&type=&exchange=&limit=30')).toEqual(['XRPETH', 'ETHXRP']);
    expect(await names('query=xrp&limit=1')).toEqual(['XRPETH']);
    expect(await names('query=xrp&exchange=KRAKEN')).toEqual(['ETHXRP']);
    expect(await names('query=kraken:eth')).toEqual(['ETHXRP']);
    expect(await names('query=xrp&type=stock')).toEqual([]);
    expect(await names('query=')).toEqual(['DEMO', 'ETHXRP', 'XRPETH']);
    expect((await get('search?query=xrpeth')).body[0]).toEqual({
      symbol: 'XRPETH',
      full_name: 'BINANCE:XRPETH',
      description: 'XRPETH',
      exchange: 'BINANCE',
      ticker: 'XRPETH',
      type: 'crypto',
    });
  });

  test('quotes: the day against the day before; what does not exist is said', async () => {
    const { body } = await get('quotes?symbols=XRPETH,NOSUCH,DEMO');
    expect(body.s).toBe('ok');
    expect(body.d[0]).toMatchObject({
      s: 'ok',
      n: 'XRPETH',
      v: { lp: 102.5, prev_close_price: 101.5, ch: 1, chp: 0.99, open_price: 100, volume: 3.5 },
    });
    expect('bid' in body.d[0].v).toBe(false);
    expect(body.d.slice(1)).toMatchObject([
      { s: 'error', n: 'NOSUCH', v: {} },
      { s: 'error', n: 'DEMO', v: {} },
    ]);
  });
});

describe('history', () => {
  test('columns of numbers, times in seconds, the open bar last', async () => {
    const body = await history(`from=${END - 180}&to=${END}`);
    expect(body).toEqual({
      s: 'ok',
      t: TIMES.slice(-3),
      o: [3.997, 3.998, 3.999],
      h: [3.997, 3.998, 3.999],
      l: [3.997, 3.998, 3.999],
      c: [3.997, 3.998, 3.999],
      v: [3.5, 3.5, 3.5],
    });
  });

  test('"to" is not inclusive, "from" is', async () => {
    expect((await history(`from=${TIMES[10]}&to=${TIMES[12]}`)).t).toEqual(TIMES.slice(10, 12));
  });

  test('countback goes before "from"', async () => {
    expect((await history(`from=${TIMES[10]}&to=${TIMES[12]}&countback=5`)).t).toEqual(TIMES.slice(7, 12));
    expect((await history(`from=${TIMES[0]}&to=${TIMES[12]}&countback=2`)).t).toEqual(TIMES.slice(10, 12));
    expect((await history(`to=${TIMES[3]}&countback=100`)).t).toEqual(TIMES.slice(0, 3));
  });

  test('no data in a range: the last bar before it', async () => {
    const [before, after] = [TIMES[1499] ?? 0, TIMES[1500] ?? 0];
    expect(await history(`from=${before + 60}&to=${after}`)).toEqual({ s: 'no_data', nextTime: before });
    expect(await history(`from=${END + 3600}&to=${END + 7200}`)).toEqual({ s: 'no_data', nextTime: TIMES.at(-1) });
    expect(await history(`from=0&to=${TIMES[0]}`)).toEqual({ s: 'no_data' });
    expect(await history(`from=-5000000000&to=-4000000000&countback=300`)).toEqual({ s: 'no_data' });
  });

  test('a chart that scrolls back with countback sees every bar once, and comes to an end', async () => {
    const seen: number[] = [];
    for (let to = END + 600; ; ) {
      const body = await history(`from=${to - 329 * 60}&to=${to}&countback=329`);
      if (body.s === 'no_data') {
        expect(body.nextTime).toBeUndefined();
        break;
      }
      seen.unshift(...body.t);
      to = body.t[0];
    }
    expect(seen).toEqual(TIMES);
  });

  test('a chart that scrolls back by ranges and nextTime sees every bar once, too', async () => {
    const seen: number[] = [];
    for (let to = END + 36_000; ; ) {
      const from = to - 1200;
      const body = await history(`from=${from}&to=${to}`);
      if (body.s === 'ok') {
        seen.unshift(...body.t);
        to = from;
      } else if (body.nextTime === undefined) break;
      else to = body.nextTime + 60;
    }
    expect(seen).toEqual(TIMES);
  });

  test('more bars than one answer holds are refused, not cut', async () => {
    const many: CandleSource = {
      query: async (_s, _i, { limit }) => ({
        candles: Array.from({ length: limit }, (_, i) => candle(T0, i)),
        known: true,
      }),
    };
    const { status, body } = await serverOf({ candles: many })(`history?symbol=XRPETH&resolution=1&from=0&to=${END}`);
    expect([status, body.s]).toEqual([400, 'error']);
    expect(body.errmsg).toMatch(/more than 10000 bars/);
  });

  test('a plan bounds intervals and how far back it goes', async () => {
    const plan: Entitlements = { ...PLAN, plan: 'free', intervals: ['1m'], historyDays: 1 };
    const free = serverOf({ readers: new Readers(null, plan, silentLog) });
    const refused = await free(`history?symbol=XRPETH&resolution=5&from=0&to=${END}`);
    expect([refused.status, refused.body.s]).toEqual([403, 'error']);
    const { body } = await free(`history?symbol=XRPETH&resolution=1&from=0&to=${END}&countback=5000`);
    expect(body.t).toEqual(TIMES.filter((t) => t >= END - 60 - 86_400));
    expect((await free(`history?symbol=XRPETH&resolution=1&from=0&to=${TIMES[100]}&countback=5`)).body).toEqual({
      s: 'no_data',
    });
    expect((await free('quotes?symbols=XRPETH')).status).toBe(403);
  });

  test('while the store is away: an error, and when to come back', async () => {
    away = true;
    const { status, headers, body } = await get(`history?symbol=XRPETH&resolution=1&from=0&to=${END}`);
    away = false;
    expect([status, headers['retry-after'], body.s]).toEqual([503, '2', 'error']);
  });
});

describe('marks', () => {
  const range = `symbol=XRPETH&resolution=1&from=${T0 / 1000 + 60}&to=${T0 / 1000 + 240}`;
  const alice = { authorization: 'Bearer alice' };

  test('are the signals of whoever asks', async () => {
    const { body } = await get(`marks?${range}`, alice);
    expect(body).toMatchObject({
      id: SIGNALS.slice(1, 4).map(({ id }) => id),
      time: [1, 2, 3].map((i) => T0 / 1000 + i * 60),
      color: ['green', 'blue', 'green'],
      text: ['note', 'cross: {"above":"1.00000000"}', 'note'],
      label: ['N', 'C', 'N'],
    });
    expect(Object.keys(body)).toEqual(['id', 'time', 'color', 'text', 'label', 'labelFontColor', 'minSize']);
    const scale = await get(`timescale_marks?${range}`, alice);
    expect(scale.body[1]).toEqual({
      id: SIGNALS[2]?.id,
      time: T0 / 1000 + 120,
      color: '#2f6fed',
      label: 'C',
      tooltip: ['cross: {"above":"1.00000000"}'],
    });
  });

  test('of nobody are none; of a bad token or a key without the scope, an error', async () => {
    expect((await get(`marks?${range}`)).body.id).toEqual([]);
    expect((await get(`timescale_marks?${range}`)).body).toEqual([]);
    expect((await serverOf({ marks: null })(`marks?${range}`, alice)).body.id).toEqual([]);
    const wrong = await get(`marks?${range}`, { authorization: 'Bearer eve' });
    expect([wrong.status, wrong.body.s, wrong.headers['www-authenticate']]).toEqual([
      401,
      'error',
      'Bearer error="invalid_token"',
    ]);
    expect((await get(`marks?${range}`, { authorization: 'Bearer candles' })).status).toBe(403);
  });
});

describe('bad input', () => {
  const good: Record<string, Record<string, string>> = {
    symbols: { symbol: 'XRPETH' },
    search: { query: 'x', type: '', exchange: '', limit: '5' },
    history: { symbol: 'XRPETH', resolution: '1', from: '0', to: String(END), countback: '5' },
    marks: { symbol: 'XRPETH', resolution: '1', from: '0', to: String(END) },
    timescale_marks: { symbol: 'XRPETH', resolution: '1', from: '0', to: String(END) },
    quotes: { symbols: 'XRPETH' },
  };
  const places = Object.entries(good).flatMap(([path, parameters]) =>
    Object.keys(parameters).map((name) => ({ path, name })),
  );
  const nasty = fc.oneof(
    fc.constantFrom(
      '',
      ' ',
      '-1',
      '1.5',
      '1e3',
      '0x10',
      'NaN',
      'Infinity',
      '٣',
      '99999999999999999999',
      '1570752000000',
    ),
    fc.constantFrom(
      '%00',
      '\u0000',
      '../..',
      "';--",
      'null',
      'undefined',
      '[object Object]',
      '1m',
      '1d',
      '2',
      '7D',
      '1S',
      'xrpeth',
    ),
    fc.string({ maxLength: 300, unit: 'binary' }),
  );

  test('every parameter wrong in every way: an answer in the shape of UDF, never a 500', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...places),
        nasty,
        fc.constantFrom('is', 'twice', 'missing'),
        async (place, value, how) => {
          const query = new URLSearchParams({ ...good[place.path], [place.name]: value });
          if (how === 'twice') query.append(place.name, value);
          if (how === 'missing') query.delete(place.name);
          const { status, body } = await get(`${place.path}?${query}`);
          expect([200, 400, 404]).toContain(status);
          if (status === 200) return;
          expect(body).toEqual({ s: 'error', errmsg: expect.stringMatching(/^[\x20-\x7e…]+$/) });
          expect(body.errmsg.length).toBeLessThan(250);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test.each([
    ['history?resolution=1&from=0&to=1', 400, /"symbol" is missing/],
    ['history?symbol=XRPETH&from=0&to=1', 400, /"resolution" must be one of 1 3 5/],
    ['history?symbol=XRPETH&resolution=7&from=0&to=1', 400, /it is "7"/],
    ['history?symbol=XRPETH&resolution=1&to=1', 400, /"from" must be epoch seconds.*missing/],
    ['history?symbol=XRPETH&resolution=1&from=0', 400, /"to" must be epoch seconds/],
    [`history?symbol=XRPETH&resolution=1&from=0&to=${T0}`, 400, /not milliseconds/],
    ['history?symbol=XRPETH&resolution=1&from=9&to=1', 400, /"from" must not be after "to"/],
    ['history?symbol=XRPETH&resolution=1&from=0&to=1&countback=10001', 400, /"countback" must be an integer/],
    ['history?symbol=NOSUCH&resolution=1&from=0&to=1', 404, /unknown_symbol/],
    ['symbols', 400, /"symbol" is missing/],
    ['symbols?symbol=KRAKEN:XRPETH', 404, /unknown_symbol/],
    ['search?query=x&limit=0', 400, /"limit"/],
    ['marks?symbol=XRPETH&from=0', 400, /"to"/],
    ['quotes', 400, /"symbols" is missing/],
    [`quotes?symbols=${'A,'.repeat(51)}`, 400, /at most 50/],
  ])('%s', async (path, status, words) => {
    const { status: answered, body } = await get(path);
    expect([answered, body.s]).toEqual([status, 'error']);
    expect(body.errmsg).toMatch(words);
  });
});
