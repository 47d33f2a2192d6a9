import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testDataDir } from '../support/database.js';
import { exchangeKlines, TRADES_FILE } from '../support/oracle.js';
import { Server } from '../support/server.js';
import type { Row } from './binance-support.js';
import { type Answer, eventually, get, Places } from './support.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const oracle = exchangeKlines();
const FIRST = oracle[0]?.[0] ?? 0;
const LAST = oracle.at(-1)?.[0] ?? 0;

interface Refusal {
  readonly code: number;
  readonly msg: string;
}

const places = new Places();
let server: Server;

beforeAll(async () => {
  const DATA_DIR = await testDataDir();
  places.keep(DATA_DIR);
  server = await Server.start({ DATA_DIR, FEEDS: `replay:${TRADES_FILE}?symbol=XRPETH&speed=0` });
  await eventually(
    () => klines({ limit: 1 }),
    (rows) => rows[0]?.[0] === LAST,
    60_000,
  );
});
afterAll(async () => {
  await server.stop();
  await places.clear();
});

function ask<T>(path: string, parameters: Readonly<Record<string, string | number>> = {}): Promise<Answer<T>> {
  const query = new URLSearchParams(
    Object.entries(parameters).map(([name, value]): [string, string] => [name, String(value)]),
  );
  return get<T>(server, `/api/v3/${path}?${query}`);
}

async function klines(parameters: Readonly<Record<string, string | number>>): Promise<Row[]> {
  return (await ask<Row[]>('klines', { symbol: 'XRPETH', interval: '1m', ...parameters })).body;
}

/** Independent of ours: sums in integers of the last digit. */
function fold(rows: readonly Row[], openTime: number, end: number): unknown {
  const inside = rows.filter((row) => row[0] >= openTime && row[0] < end);
  const sum = (index: number) => {
    const total = inside.reduce((all, row) => all + BigInt(String(row[index]).replace('.', '')), 0n);
    const digits = total.toString().padStart(9, '0');
    return `${digits.slice(0, -8)}.${digits.slice(-8)}`;
  };
  const best = (index: 2 | 3, sign: number) =>
    [...inside].sort((a, b) => sign * (Number(b[index]) - Number(a[index])))[0]?.[index];
  const count = inside.reduce((all, row) => all + row[8], 0);
  const [first, last] = [inside[0], inside.at(-1)];
  return [
    openTime,
    first?.[1],
    best(2, 1),
    best(3, -1),
    last?.[4],
    sum(5),
    end - 1,
    sum(7),
    count,
    sum(9),
    sum(10),
    '0',
  ];
}

describe('klines', () => {
  let all: Row[];

  it('are the exchange’s own, digit for digit, paged forward', async () => {
    all = [];
    for (let startTime = 0; ; startTime = (all.at(-1)?.[0] ?? 0) + 1) {
      const page = await klines({ startTime, limit: 1000 });
      all.push(...page);
      if (page.length < 1000) break;
    }
    expect(all.map((row) => row.slice(0, 6))).toEqual(oracle.map((row) => [...row]));
    for (const row of all) {
      expect(row[6]).toBe(row[0] + MINUTE - 1);
      expect(row).toHaveLength(12);
    }
  });

  it('are the latest without bounds, from memory and from the store', async () => {
    for (const limit of [1, 2, 499, 500, 501, 1000]) expect(await klines({ limit })).toEqual(all.slice(-limit));
    expect(await klines({ limit: 5000 })).toHaveLength(1000);
    expect(await klines({})).toEqual(all.slice(-500));
    // Asked again: from the bytes of before.
    expect(await klines({ limit: 500 })).toEqual(all.slice(-500));
    expect((await ask('uiKlines', { symbol: 'XRPETH', interval: '1m', limit: 7 })).body).toEqual(all.slice(-7));
  });

  it('are bounded by open times, both inclusive', async () => {
    const [from, to] = [FIRST + 100 * MINUTE, FIRST + 200 * MINUTE];
    expect(await klines({ startTime: from, endTime: to })).toEqual(all.slice(100, 201));
    expect(await klines({ startTime: from + 1, endTime: to - 1 })).toEqual(all.slice(101, 200));
    expect(await klines({ startTime: from, endTime: to, limit: 3 })).toEqual(all.slice(100, 103));
    expect(await klines({ endTime: to, limit: 3 })).toEqual(all.slice(198, 201));
    expect(await klines({ startTime: to, endTime: from })).toEqual([]);
    expect(await klines({ startTime: LAST + 1 })).toEqual([]);
    expect(await klines({ endTime: FIRST - 1 })).toEqual([]);
    expect(await klines({ startTime: '9'.repeat(20) })).toEqual([]);
    expect(await klines({ endTime: '9'.repeat(20), limit: 2 })).toEqual(all.slice(-2));
  });

  it.each([
    ['1d', '8', 8 * HOUR, DAY],
    ['1d', '-1:00', -HOUR, DAY],
    ['12h', '+14:00', 14 * HOUR, 12 * HOUR],
    ['1d', '05:45', 5.75 * HOUR, DAY],
    ['1h', '5:30', 5.5 * HOUR, HOUR],
    ['3d', '8', 8 * HOUR, 3 * DAY],
    ['4h', '8:00', 8 * HOUR, 4 * HOUR],
  ])('%s in the time zone %s are those minutes folded', async (interval, timeZone, offset, length) => {
    const start = (time: number) => Math.floor((time + offset) / length) * length - offset;
    const expected: unknown[] = [];
    for (let open = start(FIRST); open <= LAST; open += length) expected.push(fold(all, open, open + length));
    const latest = await klines({ interval, timeZone });
    expect(latest).toEqual(expected);
    expect(await klines({ interval, timeZone, limit: 1 })).toEqual(expected.slice(-1));
    expect(await klines({ interval, timeZone, startTime: 0, limit: 2 })).toEqual(expected.slice(0, 2));
    expect(await klines({ interval, timeZone, startTime: start(FIRST) + 1 })).toEqual(expected.slice(1));
    const second = start(FIRST) + length;
    expect(await klines({ interval, timeZone, endTime: second - 1 })).toEqual(expected.slice(0, 1));
  });

  it('weeks and months of a time zone', async () => {
    const [week] = await klines({ interval: '1w', timeZone: '8' });
    expect(week?.[0]).toBe(Date.UTC(2019, 9, 6, 16));
    const [month] = await klines({ interval: '1M', timeZone: '-12' });
    expect(month).toEqual(fold(all, Date.UTC(2019, 9, 1, 12), Date.UTC(2019, 10, 1, 12)));
  });
});

describe('other answers', () => {
  it('ping, time, headers', async () => {
    const ping = await ask('ping');
    expect([ping.status, ping.body]).toEqual([200, {}]);
    expect(Object.fromEntries(ping.headers)).toMatchObject({
      'access-control-allow-origin': '*',
      'content-type': 'application/json;charset=UTF-8',
      'x-mbx-used-weight-1m': expect.stringMatching(/^\d+$/),
    });
    const before = Number(ping.headers.get('x-mbx-used-weight-1m'));
    const time = await ask<{ serverTime: number }>('time');
    expect(Math.abs(time.body.serverTime - Date.now())).toBeLessThan(10_000);
    expect(Number(time.headers.get('x-mbx-used-weight'))).toBeGreaterThanOrEqual(1);
    expect(before).toBeGreaterThanOrEqual(1);
  });

  it('times are milliseconds: microseconds are refused', async () => {
    const inUnit = (unit: string) => get(server, '/api/v3/time', { headers: { 'x-mbx-time-unit': unit } });
    expect(await inUnit('MICROSECOND')).toMatchObject({ status: 400, body: { code: -1020 } });
    expect(await inUnit('MILLISECOND')).toMatchObject({ status: 200 });
  });

  it('exchangeInfo', async () => {
    const { body } = await ask<{ symbols: object[] }>('exchangeInfo', { symbols: '["XRPETH"]' });
    expect(body).toMatchObject({
      timezone: 'UTC',
      rateLimits: [{ rateLimitType: 'REQUEST_WEIGHT', interval: 'MINUTE', intervalNum: 1 }],
      symbols: [
        {
          symbol: 'XRPETH',
          baseAsset: 'XRP',
          quoteAsset: 'ETH',
          filters: [
            { filterType: 'PRICE_FILTER', tickSize: '0.00000001' },
            { filterType: 'LOT_SIZE', stepSize: '0.00000001' },
          ],
        },
      ],
    });
    expect((await ask<{ symbols: object[] }>('exchangeInfo', { permissions: 'MARGIN' })).body.symbols).toEqual([]);
  });

  it('tickers of the last 24 hours there are', async () => {
    const minutes = (await klines({ startTime: LAST - DAY + MINUTE, limit: 1000 })).concat(
      await klines({ startTime: LAST - DAY + 1001 * MINUTE, limit: 1000 }),
    );
    expect(minutes).toHaveLength(1440);
    const whole = fold(minutes, LAST - DAY + MINUTE, LAST + MINUTE) as Row;
    const { body } = await ask('ticker/24hr', { symbol: 'XRPETH' });
    expect(body).toMatchObject({
      openPrice: whole[1],
      highPrice: whole[2],
      lowPrice: whole[3],
      lastPrice: whole[4],
      volume: whole[5],
      quoteVolume: whole[7],
      count: whole[8],
      openTime: LAST - DAY + MINUTE,
      closeTime: LAST + MINUTE - 1,
      priceChange: (Number(whole[4]) - Number(whole[1])).toFixed(8),
      priceChangePercent: ((Number(whole[4]) / Number(whole[1]) - 1) * 100).toFixed(3),
    });
    expect((await ask<object[]>('ticker/24hr', { symbols: '["XRPETH"]', type: 'MINI' })).body[0]).toMatchObject({
      volume: whole[5],
    });
    expect((await ask('ticker/price', { symbol: 'XRPETH' })).body).toEqual({ symbol: 'XRPETH', price: whole[4] });
    expect((await ask<object>('ticker/bookTicker', { symbol: 'XRPETH' })).body).toMatchObject({ bidQty: '0.00000000' });
  });

  it('trades are the latest there were, and each is an aggregate', async () => {
    const [last] = (await klines({ limit: 1000 })).filter((row) => row[8] > 0).slice(-1);
    const { body } = await ask<Record<string, unknown>[]>('trades', { symbol: 'XRPETH', limit: 1000 });
    expect(body).toHaveLength(1000);
    expect(body.at(-1)).toMatchObject({ id: 13532283, price: last?.[4], isBestMatch: true });
    expect(body.map(({ id }) => id)).toEqual(Array.from({ length: 1000 }, (_, i) => 13531284 + i));
    const { p, q, T } =
      (await ask<Record<string, unknown>[]>('aggTrades', { symbol: 'XRPETH', fromId: 13531290, limit: 1 })).body[0] ??
      {};
    const { price, qty, time } = body[6] ?? {};
    expect([p, q, T]).toEqual([price, qty, time]);
    const between = { symbol: 'XRPETH', startTime: Number(time), endTime: Number(time) };
    expect((await ask<{ T: number }[]>('aggTrades', between)).body.every((one) => one.T === time)).toBe(true);
  });

  it('says what there is not, at any method and path', async () => {
    for (const path of [
      'depth',
      'avgPrice',
      'account',
      'nothing',
      'ticker/nothing',
      'klines/',
      '..%2fklines',
      'KLINES',
    ])
      expect(await ask<Refusal>(path)).toMatchObject({ body: { code: -1020 } });
    for (const path of ['/api', '/api/', '/api/v1/ping', '/api/v4/klines']) {
      const { status, body } = await get<Partial<Refusal>>(server, path);
      expect(status).toBe(404);
      if (path !== '/api') expect(body.code).toBe(-1020);
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
      const { status, headers, body } = await get<Refusal>(server, '/api/v3/klines', { method });
      expect([status, headers.get('allow'), body.code]).toEqual([405, 'GET, HEAD, OPTIONS', -1020]);
    }
    const head = await fetch(`${server.url}/api/v3/ping`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });

  it('lets pages of other origins read', async () => {
    const headers = { origin: 'http://chart.test', 'access-control-request-method': 'GET' };
    const preflight = await get<string>(server, '/api/v3/klines', { method: 'OPTIONS', headers });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe('*');
    expect(preflight.headers.get('access-control-allow-headers')).toContain('x-mbx-apikey');
  });
});

/** A parameter: what is right, and what is wrong with the code that says so. */
type Kind =
  | 'symbol'
  | 'symbols'
  | 'interval'
  | 'time'
  | 'zone'
  | 'limit'
  | 'id'
  | 'type'
  | 'permissions'
  | 'flag'
  | 'status';
const RIGHT: Readonly<Record<Kind, string>> = {
  symbol: 'XRPETH',
  symbols: '["XRPETH"]',
  interval: '1m',
  time: String(FIRST),
  zone: '8',
  limit: '5',
  id: '13519807',
  type: 'MINI',
  permissions: 'SPOT',
  flag: 'true',
  status: 'TRADING',
};
const NUMBERS = ['-1', '1.5', '1e3', 'abc', 'NaN', '0x10', ' 5', '5 ', '１２', '1'.repeat(21), '2019-10-11'];
const WRONG: Readonly<Record<Kind, readonly (readonly [string, number])[]>> = {
  symbol: [
    ...['xrpeth', 'XRP/ETH', 'XRP ETH', "X' OR '1'='1", 'X'.repeat(51), '\u0000', 'ΧRP', '[]', '%', '🙂'].map(
      (v) => [v, -1100] as const,
    ),
    ...['NOPE', '-X', '.', '_'].map((v) => [v, -1121] as const),
  ],
  symbols: [
    ...['XRPETH', '[', '[]', '{}', '[1]', '["xrpeth"]', '[""]', '["XRPETH",null]', 'null', '[["XRPETH"]]'].map(
      (v) => [v, -1100] as const,
    ),
    ['["NOPE"]', -1121],
    ['["XRPETH","XRPETH"]', -1151],
  ],
  interval: ['1s', '2m', '1H', '1D', '60', '1 m', '1mm', 'constructor', '𝟏m'].map((v) => [v, -1120] as const),
  time: NUMBERS.map((v) => [v, -1100] as const),
  zone: ['15', '-13', '14:01', '8:60', '8:5', 'UTC', 'Asia/Tokyo', '8h', '--8', '１'].map((v) => [v, -1130] as const),
  limit: [...NUMBERS.map((v) => [v, -1100] as const), ['0', -1130]],
  id: NUMBERS.map((v) => [v, -1100] as const),
  type: ['mini', 'ALL', '1'].map((v) => [v, -1130] as const),
  permissions: ['spot', '["spot"]', '[1,', '🙂'].map((v) => [v, -1130] as const),
  flag: ['1', 'yes', 'TRUE'].map((v) => [v, -1130] as const),
  status: ['trading', 'X'].map((v) => [v, -1130] as const),
};

interface Walked {
  readonly path: string;
  readonly parameters: Readonly<Record<string, Kind>>;
  readonly mandatory: readonly string[];
  /** Given with every request, unless it is the one that is wrong. */
  readonly base: readonly string[];
}

const kline = {
  parameters: {
    symbol: 'symbol',
    interval: 'interval',
    startTime: 'time',
    endTime: 'time',
    timeZone: 'zone',
    limit: 'limit',
  },
  mandatory: ['symbol', 'interval'],
  base: ['symbol', 'interval'],
} as const;
const several = { symbol: 'symbol', symbols: 'symbols' } as const;
const none = { mandatory: [], base: [] } as const;
const ENDPOINTS: readonly Walked[] = [
  { path: 'ping', parameters: {}, ...none },
  { path: 'time', parameters: {}, ...none },
  { path: 'klines', ...kline },
  { path: 'uiKlines', ...kline },
  {
    path: 'exchangeInfo',
    parameters: { ...several, permissions: 'permissions', showPermissionSets: 'flag', symbolStatus: 'status' },
    ...none,
  },
  { path: 'trades', parameters: { symbol: 'symbol', limit: 'limit' }, mandatory: ['symbol'], base: ['symbol'] },
  {
    path: 'aggTrades',
    parameters: { symbol: 'symbol', fromId: 'id', startTime: 'time', endTime: 'time', limit: 'limit' },
    mandatory: ['symbol'],
    base: ['symbol'],
  },
  { path: 'ticker/24hr', parameters: { ...several, type: 'type' }, ...none },
  { path: 'ticker/price', parameters: several, ...none },
  { path: 'ticker/bookTicker', parameters: several, ...none },
];

describe.each(ENDPOINTS)('bad input to $path', ({ path, parameters, mandatory, base }) => {
  const names = Object.keys(parameters);
  const right = (name: string): string => RIGHT[parameters[name] ?? 'symbol'];

  async function refused(query: readonly (readonly [string, string])[]): Promise<number> {
    const text = new URLSearchParams(query.map(([name, value]): [string, string] => [name, value])).toString();
    const { status, headers, body } = await get<Refusal>(server, `/api/v3/${path}?${text}`);
    expect({ text, status, body }).toEqual({
      text,
      status: 400,
      body: { code: expect.any(Number), msg: expect.any(String) },
    });
    expect(headers.get('content-type')).toBe('application/json;charset=UTF-8');
    expect(headers.get('access-control-allow-origin')).toBe('*');
    return body.code;
  }

  const given = (name: string, value: string) => [
    ...base.filter((other) => other !== name).map((other) => [other, right(other)] as const),
    [name, value] as const,
  ];

  it('every parameter wrong in every way', async () => {
    for (const name of names)
      for (const [value, code] of WRONG[parameters[name] ?? 'symbol'])
        expect([name, value, await refused(given(name, value))]).toEqual([name, value, code]);
  });

  it('empty, doubled, left out, unknown', async () => {
    for (const name of names) {
      expect([name, await refused(given(name, ''))]).toEqual([name, -1105]);
      expect([name, await refused([...given(name, right(name)), [name, right(name)]])]).toEqual([name, -1101]);
    }
    for (const name of mandatory)
      expect(await refused(mandatory.filter((other) => other !== name).map((other) => [other, right(other)]))).toBe(
        -1102,
      );
    const all = base.map((name) => [name, right(name)] as const);
    for (const unknown of ['x', 'Symbol', '__proto__', 'constructor', 'recvWindow'])
      expect(await refused([...all, [unknown, '1']])).toBe(names.length === 0 ? -1101 : -1104);
    if ('symbols' in parameters)
      expect(
        await refused([
          ['symbol', RIGHT.symbol],
          ['symbols', RIGHT.symbols],
        ]),
      ).toBe(-1128);
  });

  it('no query that is not well formed breaks it', async () => {
    for (const query of [
      '&&&',
      '=',
      '%',
      '%zz=1',
      'symbol',
      'symbol=%ff%fe',
      `x=${'a'.repeat(3000)}`,
      'symbol[]=A',
      'symbol=A;b=c',
    ]) {
      const { status, body } = await get<Partial<Refusal>>(server, `/api/v3/${path}?${query}`);
      expect([query, status < 500]).toEqual([query, true]);
      if (status !== 200) expect(body).toEqual({ code: expect.any(Number), msg: expect.any(String) });
    }
  });
});
