import { afterEach, describe, expect, it } from 'vitest';
import { LocalBus } from '../../src/bus/local.js';
import { LocalTrades } from '../../src/bus/trades.js';
import type { GatewayLimits } from '../../src/gateway/limits.js';
import { NO_USERS } from '../../src/gateway/users.js';
import { systemClock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import type { MarketEvent, SymbolStatus } from '../../src/market/event.js';
import { HOUR_MS, MINUTE_MS } from '../../src/market/interval.js';
import type { Trade } from '../../src/market/trade.js';
import { type Frame, StreamClient } from './binance-client.js';
import { Harness, TRANSPORTS } from './harness.js';
import { LossyBus } from './lossy-bus.js';
import { T0, TestMarket } from './market.js';

const KLINE = 'btcusdt@kline_1m';
const NO_LIMITS = {
  plan: 'visitor',
  connections: 100,
  historyDays: null,
  signalsPerDay: 0,
  signalSymbols: null,
  rules: 0,
};
const LIVE: SymbolStatus = {
  symbol: 'BTCUSDT',
  source: 'demo',
  synthetic: true,
  state: 'live',
  since: 1,
  lastTradeTime: null,
};

function trade(id: number): Trade {
  const size = { priceWhole: 64_000 + id, priceFraction: 1_000_000, quantityWhole: 0, quantityFraction: 12_345_678 };
  return { symbol: 'BTCUSDT', id, time: 1_700_000_000_000 + id, ...size, takerSide: id % 2 === 0 ? 'buy' : 'sell' };
}

describe.each(TRANSPORTS)('binance streams on %s', (transport) => {
  let harness: Harness;
  let market: TestMarket;
  const clients: StreamClient[] = [];
  afterEach(async () => {
    for (const client of clients.splice(0)) client.socket.terminate();
    await harness.stop();
  });

  async function start(limits: Partial<GatewayLimits> = {}): Promise<void> {
    market = new TestMarket('BTCUSDT');
    market.closeMany(7);
    harness = await Harness.start(market, transport, limits);
  }

  async function startWithTrades(limits: Partial<GatewayLimits> = {}): Promise<LocalTrades> {
    market = new TestMarket('BTCUSDT');
    market.closeMany(7);
    const trades = new LocalTrades();
    const bus = new LocalBus((symbol, interval) => market.windowOf(symbol, interval));
    harness = await Harness.over(bus, market, transport, limits, silentLog, systemClock, { trades });
    bus.publishStatus([LIVE]);
    return trades;
  }

  async function connect(path: string): Promise<StreamClient> {
    const client = await StreamClient.connect(harness.port, path);
    clients.push(client);
    return client;
  }

  /** Connected, subscribed and answered. */
  async function subscribed(path: string, ...streams: string[]): Promise<StreamClient> {
    const client = await connect(path);
    expect(await client.ask('SUBSCRIBE', streams, 'first')).toEqual({ result: null, id: 'first' });
    return client;
  }

  const klines = (client: StreamClient) => client.frames.filter((frame) => frame.e === 'kline');
  const closes = (client: StreamClient) =>
    klines(client)
      .map(({ k }) => k as Frame)
      .filter(({ x }) => x === true)
      .map(({ t }) => t);

  it('brings a raw kline, field by field', async () => {
    await start();
    const client = await subscribed('/ws', KLINE);
    const before = Date.now();
    harness.bus.publish(market.close());
    const frame = await client.until(({ e }) => e === 'kline');
    expect(Object.keys(frame)).toEqual(['e', 'E', 's', 'k']);
    expect(frame.E).toBeGreaterThanOrEqual(before);
    const t = T0 + 7 * MINUTE_MS;
    const price = market.minutes.get(t)?.close;
    expect(JSON.stringify(frame.k)).toBe(
      `{"t":${t},"T":${t + MINUTE_MS - 1},"s":"BTCUSDT","i":"1m","f":1,"L":1,"o":"${price}","c":"${price}","h":"${price}","l":"${price}","v":"1.00000000","n":1,"x":true,"q":"1.00000000","V":"0.00000000","Q":"0.00000000","B":"0"}`,
    );
  });

  it('subscribes what the address names, raw and combined', async () => {
    await start();
    market.update();
    const raw = await connect(`/ws/${KLINE}/btcusdt@kline_5m`);
    const combined = await connect(`/stream?streams=${KLINE}/btcusdt@kline_5m?timeUnit=MICROSECOND`);
    for (const client of [raw, combined]) {
      const listed = await client.ask('LIST_SUBSCRIPTIONS', undefined);
      expect(listed.result).toEqual([KLINE, 'btcusdt@kline_5m']);
    }
    // The open candle comes at once.
    expect(raw.frames.filter(({ e }) => e === 'kline')).toHaveLength(2);
    expect(combined.frames.filter(({ stream }) => stream === KLINE)).toHaveLength(1);
    harness.bus.publish(market.close());
    const frame = await combined.until(({ data }) => ((data as Frame | undefined)?.k as Frame)?.x === true);
    const same = await raw.until(({ k }) => (k as Frame | undefined)?.x === true);
    expect(frame).toEqual({ stream: KLINE, data: same });
  });

  it.each(['@+08:00', '@%2B08:00'])('subscribes a zone that the address names as %s', async (zone) => {
    await start();
    const days = 'btcusdt@kline_1d@+08:00';
    for (const path of [`/stream?streams=${KLINE}/btcusdt@kline_1d${zone}`, `/ws/${KLINE}/btcusdt@kline_1d${zone}`]) {
      const listed = await (await connect(path)).ask('LIST_SUBSCRIPTIONS', undefined);
      expect(listed.result).toEqual([days, KLINE]);
    }
  });

  it('takes connections that are numbered, and ids of every kind', async () => {
    await start();
    for (const path of ['/ws', '/ws/', '/ws/0', '/stream', '/stream/', '/stream/12']) {
      const client = await connect(path);
      for (const id of [1, 0, -5, 'a-1', null, '123e4567-e89b-12d3-a456-426614174000'])
        expect(await client.ask('LIST_SUBSCRIPTIONS', undefined, id)).toEqual({ result: [], id });
    }
    const client = await connect('/ws');
    client.socket.send('{"id": 9223372036854775807, "method":"LIST_SUBSCRIPTIONS"}');
    const raw = new Promise<string>((resolve) => client.socket.once('message', (data) => resolve(data.toString())));
    expect(await raw).toBe('{"result":[],"id":9223372036854775807}');
  });

  it('unsubscribes', async () => {
    await start();
    const client = await subscribed('/ws', KLINE, 'btcusdt@kline_5m');
    expect(await client.ask('UNSUBSCRIBE', [KLINE, 'nothing@trade'])).toMatchObject({ result: null });
    expect((await client.ask('LIST_SUBSCRIPTIONS', undefined)).result).toEqual(['btcusdt@kline_5m']);
    harness.bus.publish(market.update());
    harness.bus.publish(market.update('5m'));
    const frame = await client.until(({ e }) => e === 'kline');
    expect((frame.k as Frame).i).toBe('5m');
    await client.ask('UNSUBSCRIBE', ['btcusdt@kline_5m']);
    harness.bus.publish(market.update('5m'));
    await client.ask('LIST_SUBSCRIPTIONS', undefined);
    expect(klines(client)).toHaveLength(1);
  });

  it('changes its form while it goes on, without a loss', async () => {
    await start();
    const client = await subscribed('/ws', KLINE);
    expect(await client.ask('GET_PROPERTY', ['combined'])).toMatchObject({ result: false });
    const first = market.close();
    harness.bus.publish(first);
    expect(await client.ask('SET_PROPERTY', ['combined', true])).toMatchObject({ result: null });
    harness.bus.publish(market.close());
    const combined = await client.until(({ stream }) => stream === KLINE);
    expect(await client.ask('GET_PROPERTY', ['combined'])).toMatchObject({ result: true });
    const opened = [...closes(client), ((combined.data as Frame).k as Frame).t];
    expect(opened).toEqual([T0 + 7 * MINUTE_MS, T0 + 8 * MINUTE_MS]);
    await client.ask('SET_PROPERTY', ['combined', false]);
    harness.bus.publish(market.close());
    await client.until(({ k }) => (k as Frame | undefined)?.t === T0 + 9 * MINUTE_MS);
    const other = await connect('/stream');
    expect(await other.ask('GET_PROPERTY', ['combined'])).toMatchObject({ result: true });
  });

  it.each([
    ['no JSON', '{', 3, 'Invalid JSON: the frame cannot be parsed'],
    ['no object', '[]', 2, 'Invalid request: expected an object with "method", "params" and "id"'],
    ['no method', '{"id":1}', 2, 'Invalid request: missing field `method`'],
    [
      'another method',
      '{"id":1,"method":"subscribe"}',
      2,
      'Invalid request: unknown variant `subscribe`, expected one',
    ],
    ['a method that is a number', '{"id":1,"method":7}', 2, 'unknown variant `number`'],
    ['no params', '{"id":1,"method":"SUBSCRIBE"}', 2, 'Invalid request: `params` must be an array of stream names'],
    ['empty params', '{"id":1,"method":"SUBSCRIBE","params":[]}', 2, '`params` names no stream'],
    ['params of numbers', '{"id":1,"method":"UNSUBSCRIBE","params":[1]}', 2, 'stream names must be strings'],
    ['another property', '{"id":1,"method":"GET_PROPERTY","params":["x"]}', 0, 'Unknown property'],
    ['a value of another type', '{"id":1,"method":"SET_PROPERTY","params":["combined",1]}', 1, 'expected Boolean'],
    ['no value', '{"id":1,"method":"SET_PROPERTY","params":["combined"]}', 1, 'expected Boolean'],
    ['too many params', '{"id":1,"method":"SET_PROPERTY","params":["combined",true,1]}', 2, 'too many parameters'],
    ['a long id', `{"id":"${'a'.repeat(37)}","method":"LIST_SUBSCRIPTIONS"}`, 2, 'request ID must be'],
    ['an id that is an object', '{"id":{},"method":"LIST_SUBSCRIPTIONS"}', 2, 'request ID must be'],
    ['a fraction as id', '{"id":1.5,"method":"LIST_SUBSCRIPTIONS"}', 2, 'request ID must be'],
    ['another symbol', '{"id":1,"method":"SUBSCRIBE","params":["nope@kline_1m"]}', 2, 'no feed has the symbol'],
    [
      'a ticker of another symbol',
      '{"id":1,"method":"SUBSCRIBE","params":["nope@ticker"]}',
      2,
      'no feed has the symbol',
    ],
    [
      'letters that are others in upper case',
      '{"id":1,"method":"SUBSCRIBE","params":["btcu\u017fdt@ticker"]}',
      2,
      'bad symbol',
    ],
    ['upper case', '{"id":1,"method":"SUBSCRIBE","params":["BTCUSDT@kline_1m"]}', 2, 'in lower case'],
    [
      'another interval',
      '{"id":1,"method":"SUBSCRIBE","params":["btcusdt@kline_1s"]}',
      2,
      'bad interval: one of 1m 3m',
    ],
    ['an interval in upper case', '{"id":1,"method":"SUBSCRIBE","params":["btcusdt@kline_1H"]}', 2, 'bad interval'],
    [
      'another zone',
      '{"id":1,"method":"SUBSCRIBE","params":["btcusdt@kline_1d@+09:00"]}',
      2,
      'only zone of streams is +08:00',
    ],
    ['an order book', '{"id":1,"method":"SUBSCRIBE","params":["btcusdt@depth"]}', 2, 'no such stream; there are'],
    ['no form', '{"id":1,"method":"SUBSCRIBE","params":["btcusdt"]}', 2, 'no such stream'],
    ['trades', '{"id":1,"method":"SUBSCRIBE","params":["btcusdt@trade"]}', 2, 'this server has no single trades'],
  ])('answers %s with an error that is wrapped', async (_, text, code, words) => {
    await start();
    const client = await connect('/ws');
    client.socket.send(text);
    const { error, id } = await client.until((frame) => 'error' in frame);
    expect(error).toMatchObject({ code, msg: expect.stringContaining(words) });
    expect(id).toBe(text.includes('"id":1,') || text === '{"id":1}' ? 1 : null);
    expect(harness.gateway.stats.subscriptions).toBe(0);
    // It goes on.
    expect(await client.ask('SUBSCRIBE', [KLINE], 'after')).toEqual({ result: null, id: 'after' });
  });

  it('subscribes all of a request or nothing', async () => {
    await start();
    const client = await connect('/ws');
    expect(await client.ask('SUBSCRIBE', [KLINE, 'nope@kline_1m'])).toHaveProperty('error');
    expect((await client.ask('LIST_SUBSCRIPTIONS', undefined)).result).toEqual([]);
    harness.gateway.sweep();
    expect(harness.gateway.stats.subscriptions).toBe(0);
  });

  it.each(['trade', 'aggTrade', 'ticker', 'miniTicker', 'kline_1m', 'kline_1d@+08:00'])(
    'keeps nothing of %s of symbols that nobody has',
    async (form) => {
      await startWithTrades();
      const client = await connect('/ws');
      for (let round = 0; round < 3; round++) {
        const names = Array.from({ length: 50 }, (_, i) => `x${round}y${i}@${form}`);
        const refusal = await client.ask('SUBSCRIBE', names);
        expect(refusal).toMatchObject({ error: { code: 2, msg: expect.stringContaining('no feed has the symbol') } });
      }
      expect(harness.gateway.reader.days.topics.size).toBe(0);
      expect(harness.gateway.channels).toBe(0);
    },
  );

  it('tells of a wrong stream in the address, and stays', async () => {
    await start();
    const client = await connect('/ws/nope@kline_1m');
    expect(await client.until((frame) => 'error' in frame)).toMatchObject({ id: null, error: { code: 2 } });
    expect(await client.ask('SUBSCRIBE', [KLINE], 1)).toEqual({ result: null, id: 1 });
  });

  it('binary frames are no JSON', async () => {
    await start();
    const client = await connect('/ws');
    client.socket.send(Buffer.from([1, 2, 3]));
    expect(await client.until((frame) => 'error' in frame)).toMatchObject({ error: { code: 3 } });
  });

  it('limits: streams, messages, frames that are no messages', async () => {
    await start({ channelsPerConnection: 1, messagesPerSecond: 1, messageBurst: 10, invalidInARow: 3 });
    const client = await connect('/ws');
    const over = await client.ask('SUBSCRIBE', [KLINE, 'btcusdt@kline_5m']);
    expect(over).toMatchObject({ error: { code: 4, msg: expect.stringContaining('Too many subscriptions') } });
    for (let i = 0; i < 15; i++) client.send({ method: 'LIST_SUBSCRIPTIONS', id: i });
    await client.until(
      ({ error }) => (error as Frame | undefined)?.msg?.toString().includes('messages a second') === true,
    );
    for (let i = 0; i < 30; i++) client.send({ method: 'LIST_SUBSCRIPTIONS', id: i });
    expect(await client.closed()).toBe(4101);
    const wild = await connect('/ws');
    for (let i = 0; i < 5; i++) wild.socket.send('x');
    expect(await wild.closed()).toBe(4102);
  });

  it('closes each candle once: corrections and gaps are for those who understand them', async () => {
    await start();
    const client = await subscribed('/ws', KLINE, 'btcusdt@kline_5m');
    harness.bus.publish([...market.close(), ...market.correct(0), ...market.correct(3), ...market.close()]);
    harness.bus.publish([...market.gap(2), ...market.close()]);
    await client.until(({ k }) => (k as Frame | undefined)?.t === T0 + 11 * MINUTE_MS);
    expect(closes(client)).toEqual(
      [7, 8, 11].map((minute) => T0 + minute * MINUTE_MS).toSpliced(2, 0, T0 + 5 * MINUTE_MS),
    );
  });

  it('loses no close when it reads too slowly, and doubles none', async () => {
    await start({ pongTimeoutMs: 0, sweepMs: 3_600_000, pingPeriodMs: 20, lagTimeoutMs: 3_600_000 });
    const client = await subscribed('/ws', KLINE);
    harness.bus.publish(market.close());
    await client.until(({ e }) => e === 'kline');
    client.socket.pause();
    harness.gateway.sweep();
    while (harness.gateway.stats.lagging === 0) {
      harness.gateway.sweep();
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (let i = 0; i < 20; i++) harness.bus.publish([...market.update(), ...market.close(), ...market.correct(2)]);
    client.socket.resume();
    const last = T0 + 27 * MINUTE_MS;
    await client.until(({ k }) => (k as Frame | undefined)?.t === last && (k as Frame).x === true);
    harness.bus.publish(market.close());
    await client.until(({ k }) => (k as Frame | undefined)?.t === last + MINUTE_MS);
    expect(closes(client)).toEqual(Array.from({ length: 22 }, (_, i) => T0 + (7 + i) * MINUTE_MS));
  });

  it('does not answer over HTTP with what may be old', async () => {
    market = new TestMarket('BTCUSDT');
    market.closeMany(7);
    const bus = new LossyBus(market);
    const lossy = await Harness.over(bus, market, transport);
    const { reader } = lossy.gateway;
    const latest = await reader.latest('BTCUSDT', '1m', 5);
    expect(latest?.map(({ openTime }) => openTime)).toEqual([2, 3, 4, 5, 6].map((i) => T0 + i * MINUTE_MS));
    expect(reader.hot('BTCUSDT', '1m')?.closed).toHaveLength(7);
    expect((await reader.day('BTCUSDT'))?.trades).toBe(7);
    expect([await reader.latest('NOPE', '1m', 5), await reader.day('NOPE')]).toEqual([null, null]);
    bus.setUp(false);
    expect(reader.hot('BTCUSDT', '1m')).toBeNull();
    await expect(reader.latest('BTCUSDT', '1m', 5)).rejects.toMatchObject({ name: 'HistoryUnavailable' });
    await expect(reader.day('BTCUSDT')).rejects.toMatchObject({ name: 'HistoryUnavailable' });
    await lossy.stop();
    await start();
  });

  it('gives visitors what their plan gives', async () => {
    market = new TestMarket('BTCUSDT');
    market.closeMany(7);
    const bus = new LocalBus((symbol, interval) => market.windowOf(symbol, interval));
    const visitors = { ...NO_LIMITS, channels: 2, intervals: ['5m', '1h'] as const };
    const users = { ...NO_USERS, visitors };
    harness = await Harness.over(bus, market, transport, {}, silentLog, systemClock, { users });
    const client = await subscribed('/ws', 'btcusdt@kline_5m');
    const refusals = [await client.ask('SUBSCRIBE', [KLINE]), await client.ask('SUBSCRIBE', ['btcusdt@ticker'])];
    for (const refusal of refusals)
      expect(refusal.error).toEqual({
        code: 2,
        msg: expect.stringContaining('the plan visitor gives the intervals 5m 1h'),
      });
    const over = await client.ask('SUBSCRIBE', ['btcusdt@kline_1h', 'btcusdt@kline_5m@+08:00']);
    expect(over.error).toMatchObject({ code: 4, msg: expect.stringContaining('gives 2 channels') });
  });

  it('days of another zone, as they change and as they close', async () => {
    await start();
    const zone = 'btcusdt@kline_1d@+08:00';
    const client = await subscribed('/ws', zone);
    const hour = (at: number, closed: boolean): MarketEvent => {
      const openTime = T0 + at * HOUR_MS;
      const seq = ((openTime + HOUR_MS) / MINUTE_MS - 1) * 2 ** 20;
      const prev = (openTime / MINUTE_MS - 1) * 2 ** 20;
      const trades = closed ? 2 : 1;
      const candle = {
        ...market.open('1m'),
        interval: '1h',
        openTime,
        trades,
        volume: `${trades}.00000000`,
        closed,
        seq,
      } as const;
      const where = { symbol: 'BTCUSDT', interval: '1h', epoch: 7, candle } as const;
      return closed ? { ...where, kind: 'closed', seq, prev } : { ...where, kind: 'update', seq: prev };
    };
    market.lastDurable['1h'] = (T0 / MINUTE_MS - 1) * 2 ** 20;
    const late = await subscribed('/ws', 'btcusdt@kline_3d@+08:00');
    for (let at = 0; at <= 16; at++) harness.bus.publish([hour(at, false), hour(at, true)]);
    const last = await late.until(({ k }) => (k as Frame | undefined)?.n === 34);
    expect(last.k).toMatchObject({ i: '3d', x: false, v: '34.00000000' });
    await client.until(({ k }) => (k as Frame | undefined)?.t === T0 + 16 * HOUR_MS && (k as Frame).n === 2);
    const days = klines(client).map(({ k }) => k as Frame);
    const closed = days.filter(({ x }) => x === true);
    expect(closed).toHaveLength(1);
    expect(closed[0]).toMatchObject({ t: T0 - 8 * HOUR_MS, T: T0 + 16 * HOUR_MS - 1, n: 32, v: '32.00000000' });
    expect(days.at(-1)).toMatchObject({ t: T0 + 16 * HOUR_MS, n: 2, x: false });
  });

  it('says that it goes away', async () => {
    await start();
    const [raw, combined] = [await connect('/ws'), await connect('/stream')];
    await harness.gateway.drain(1000);
    expect([await raw.closed(), await combined.closed()]).toEqual([1001, 1001]);
    expect(raw.frames).toEqual([{ e: 'serverShutdown', E: expect.any(Number) }]);
    expect(combined.frames).toEqual([
      { stream: '!serverShutdown', data: { e: 'serverShutdown', E: expect.any(Number) } },
    ]);
  });

  it('pings, and takes two pongs for one', async () => {
    await start({ pingPeriodMs: 20, sweepMs: 20, pongTimeoutMs: 1000 });
    const client = await connect('/ws');
    client.socket.on('ping', (data) => client.socket.pong(data));
    while (client.pings.length < 5) await new Promise((resolve) => client.socket.once('ping', resolve));
    expect(client.closeCode).toBeNull();
    expect(harness.gateway.stats.lagsTotal).toBe(0);
  });

  it('single trades, and none that is missing for who reads slowly', async () => {
    const { tape } = await startWithTrades({ pongTimeoutMs: 0, sweepMs: 3_600_000, pingPeriodMs: 20 });
    const client = await subscribed('/ws', 'btcusdt@trade', 'btcusdt@aggTrade');
    tape.take(trade(1));
    expect(await client.until(({ e }) => e === 'trade')).toEqual({
      e: 'trade',
      E: expect.any(Number),
      s: 'BTCUSDT',
      t: 1,
      p: '64001.01000000',
      q: '0.12345678',
      T: 1_700_000_000_001,
      m: true,
      M: true,
    });
    expect(await client.until(({ e }) => e === 'aggTrade')).toMatchObject({ a: 1, f: 1, l: 1, p: '64001.01000000' });
    client.socket.pause();
    while (harness.gateway.stats.lagging === 0) {
      harness.gateway.sweep();
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (let id = 2; id <= 200; id++) tape.take(trade(id));
    await new Promise((resolve) => setImmediate(resolve));
    client.socket.resume();
    await client.until(({ t }) => t === 200);
    await client.until(({ a }) => a === 200);
    const ids = (key: string) => client.frames.map((frame) => frame[key]).filter((id) => id !== undefined);
    expect(ids('t')).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
    expect(ids('a')).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
    expect(await client.ask('SUBSCRIBE', ['nope@trade'])).toMatchObject({ error: { code: 2 } });
  });

  it('sends away who has missed more trades than are kept', async () => {
    const { tape } = await startWithTrades({ pongTimeoutMs: 0, sweepMs: 3_600_000, pingPeriodMs: 20 });
    const client = await subscribed('/ws', 'btcusdt@trade');
    client.socket.pause();
    while (harness.gateway.stats.lagging === 0) {
      harness.gateway.sweep();
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (let id = 1; id <= 1001; id++) tape.take(trade(id));
    await new Promise((resolve) => setImmediate(resolve));
    client.socket.resume();
    expect(await client.closed()).toBe(4001);
  });

  it('tickers of 24 hours, told once a second', async () => {
    await start();
    const client = await subscribed('/ws', 'btcusdt@ticker', 'btcusdt@miniTicker', '!miniTicker@arr');
    harness.bus.publishStatus([
      { symbol: 'BTCUSDT', source: 'demo', synthetic: true, state: 'live', since: 1, lastTradeTime: null },
    ]);
    harness.bus.publish(market.close());
    const closesOf = [...market.minutes.values()].map(({ close }) => Number(close));
    const mini = await client.until(({ e }) => e === '24hrMiniTicker');
    expect(mini).toEqual({
      e: '24hrMiniTicker',
      E: expect.any(Number),
      s: 'BTCUSDT',
      c: market.minutes.get(T0 + 7 * MINUTE_MS)?.close,
      o: market.minutes.get(T0)?.open,
      h: `${Math.max(...closesOf)}.00000000`,
      l: `${Math.min(...closesOf)}.00000000`,
      v: '8.00000000',
      q: '8.00000000',
    });
    expect(await client.until(({ e }) => e === '24hrTicker')).toMatchObject({
      s: 'BTCUSDT',
      n: 8,
      w: '1.00000000',
      F: 1,
      L: 1,
    });
    const all = await client.until((frame) => Array.isArray(frame));
    expect(all).toEqual([{ ...mini, E: expect.any(Number) }]);
  });
});
