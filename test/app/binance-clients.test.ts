import { join } from 'node:path';
import { MainClient, WebsocketClient } from 'binance';
import ccxt from 'ccxt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testDataDir } from '../support/database.js';
import { DatabaseServer, restartablePort, Server } from '../support/server.js';
import { type Bar, Collector, connector, Heard, type Row, rows, settled, TutorialDatafeed } from './binance-support.js';
import { eventually, Places } from './support.js';

const SYMBOLS = ['BTCUSDT', 'ETHUSDT', 'XRPETH'];
const MINUTE_MS = 60_000;
/** Their logs are not for here. */
const silent = { trace() {}, debug() {}, info() {}, error() {}, warn() {}, log() {} };

interface KlineFrame {
  readonly s: string;
  readonly E: number;
  readonly k: { readonly i: string; readonly t: number; readonly c: string };
}

describe('clients of Binance, of which only the host is changed', () => {
  const places = new Places();
  let database: DatabaseServer;
  let server: Server;
  let env: Record<string, string>;
  let collector: Collector;
  let host: string;
  /** What the native API says of minutes that are over. */
  let history: Row[];
  /** Of each client that is connected: called before the server is killed, it gives how to see that it goes on. */
  const connected = new Map<string, () => () => Promise<void>>();
  const closes: (() => unknown)[] = [];

  beforeAll(async () => {
    const databaseDir = await testDataDir();
    places.keep(databaseDir);
    database = await DatabaseServer.start(databaseDir);
    const port = await restartablePort();
    const DATA_DIR = join(await places.directory(), 'node');
    env = { PORT: String(port), FEEDS: 'push', DATA_DIR, DATABASE_URL: database.url };
    server = await Server.start(env);
    host = `127.0.0.1:${port}`;
    collector = new Collector(port, SYMBOLS);
    await collector.history(10);
    collector.start();
    const query = 'symbol=BTCUSDT&interval=1m&limit=8';
    history = await eventually(
      async () => settled(await rows(server, query)),
      (found) => found.length >= 5,
    );
  });

  afterAll(async () => {
    for (const close of closes) await close();
    await collector.stop();
    await server.stop('SIGKILL');
    await database.stop('SIGKILL');
    await places.clear();
  });

  async function ccxtClient() {
    const api = { public: `http://${host}/api/v3`, ws: { spot: `ws://${host}/stream` } };
    const exchange = new ccxt.pro.binance({ options: { fetchMarkets: { types: ['spot'] } }, urls: { api } });
    await exchange.loadHttpProxyAgent();
    return exchange;
  }

  const candlesOf = (all: readonly Row[]) => all.map((row) => [row[0], ...row.slice(1, 6).map(Number)]);

  it('history is that of the native API', async () => {
    const { candles } = await server.json<{
      candles: { t: number; o: string; h: string; l: string; c: string; v: string; n: number }[];
    }>(`/v1/candles?symbol=BTCUSDT&interval=1m&from=${history[0]?.[0]}&limit=${history.length}`);
    expect(history.map((row) => [...row.slice(0, 6), row[8]])).toEqual(
      candles.map(({ t, o, h, l, c, v, n }) => [t, o, h, l, c, v, n]),
    );
  });

  it('klines that are polled follow every change', async () => {
    const query = 'symbol=BTCUSDT&interval=1d&limit=1';
    const [first] = await rows(server, query);
    const later = await eventually(
      () => rows(server, query),
      ([row]) => (row?.[8] ?? 0) > (first?.[8] ?? 0),
    );
    expect(later[0]?.[0]).toBe(first?.[0]);
  });

  it('ccxt', async () => {
    const exchange = await ccxtClient();
    closes.push(() => exchange.close());
    const markets = await exchange.loadMarkets();
    expect(Object.keys(markets).sort()).toEqual(['BTC/USDT', 'ETH/USDT', 'XRP/ETH']);
    expect(markets['BTC/USDT']).toMatchObject({ active: true, spot: true, base: 'BTC', precision: { price: 1e-8 } });
    const since = history[0]?.[0];
    expect(await exchange.fetchOHLCV('BTC/USDT', '1m', since, history.length)).toEqual(candlesOf(history));
    expect(Math.abs(((await exchange.fetchTime()) ?? 0) - Date.now())).toBeLessThan(10_000);
    expect((await exchange.fetchTicker('ETH/USDT')).last).toBeGreaterThan(99);
    expect(Object.keys(await exchange.fetchTickers()).sort()).toEqual(['BTC/USDT', 'ETH/USDT', 'XRP/ETH']);

    const live = await exchange.watchOHLCV('BTC/USDT', '1m');
    expect(live.at(-1)?.[0]).toBeGreaterThan(Date.now() - 2 * MINUTE_MS);
    const several = await exchange.watchOHLCVForSymbols([
      ['ETH/USDT', '1m'],
      ['XRP/ETH', '5m'],
    ]);
    expect(Object.keys(several)[0]).toMatch(/ETH\/USDT|XRP\/ETH/);
    await exchange.unWatchOHLCV('BTC/USDT', '1m');
    expect((await exchange.watchTicker('XRP/ETH')).last).toBeGreaterThan(99);
    const trade = (await exchange.watchTrades('BTC/USDT')).at(-1);
    expect(trade).toMatchObject({ symbol: 'BTC/USDT', amount: 0.25 });
    const recent = await exchange.fetchTrades('BTC/USDT');
    expect(recent.map(({ id }) => id)).toContain(trade?.id);

    await expect(exchange.fetchOHLCV('NO/PE', '1m')).rejects.toThrow(ccxt.BadSymbol);
    await expect(exchange.publicGetKlines({ symbol: 'NOPE', interval: '1m' })).rejects.toThrow(ccxt.BadSymbol);
    await expect(exchange.fetchOHLCV('BTC/USDT', '7m')).rejects.toThrow(ccxt.BadRequest);
    await expect(exchange.watchOHLCV('BTC/USDT', '1s')).rejects.toThrow('bad interval');
    await expect(exchange.fetchOrderBook('BTC/USDT')).rejects.toThrow('There are no order books here');

    connected.set('ccxt', () => {
      const lost = exchange.watchOHLCV('ETH/USDT', '1m').then(function again(): Promise<unknown> {
        return exchange.watchOHLCV('ETH/USDT', '1m').then(again);
      });
      const failed = expect(lost).rejects.toThrow(ccxt.NetworkError);
      return async () => {
        await failed;
        const again = await eventually(
          () => exchange.watchOHLCV('ETH/USDT', '1m').catch(() => []),
          (found) => found.length > 0,
        );
        expect(again.at(-1)?.[0]).toBeGreaterThan(Date.now() - 2 * MINUTE_MS);
        expect(await exchange.fetchOHLCV('BTC/USDT', '1m', since, history.length)).toEqual(candlesOf(history));
      };
    });
  });

  it('binance', async () => {
    const rest = new MainClient({ baseUrl: `http://${host}` });
    const { symbols } = await rest.getExchangeInfo();
    expect(symbols.map(({ symbol }) => symbol)).toEqual(SYMBOLS);
    const startTime = history[0]?.[0] ?? 0;
    expect(await rest.getKlines({ symbol: 'BTCUSDT', interval: '1m', startTime, limit: history.length })).toEqual(
      history,
    );
    const wrong = [
      rest.getKlines({ symbol: 'NOPE', interval: '1m' }),
      rest.getKlines({ symbol: 'BTCUSDT', interval: '1s' }),
      rest.getOrderBook({ symbol: 'BTCUSDT' }),
    ];
    const codes = await Promise.all(wrong.map((one) => one.catch((error: { code: number }) => error.code)));
    expect(codes).toEqual([-1121, -1120, -1020]);

    const socket = new WebsocketClient({ wsUrl: `ws://${host}/stream`, reconnectTimeout: 200 }, silent);
    closes.push(() => socket.closeAll(true));
    const heard = new Heard<KlineFrame>();
    const answers = new Heard<unknown>();
    socket.on('message', (message) => heard.add(message as unknown as KlineFrame));
    socket.on('response', answers.add);
    socket.on('exception', answers.add);
    await socket.subscribe(['btcusdt@kline_1m', 'ethusdt@kline_5m'], 'main');
    await heard.next(({ s, k }) => s === 'BTCUSDT' && k.i === '1m', 0);
    await heard.next(({ s, k }) => s === 'ETHUSDT' && k.i === '5m', 0);
    await socket.unsubscribe(['btcusdt@kline_1m'], 'main');
    await answers.next((answer) => JSON.stringify(answer).includes('UNSUBSCRIBE'), 0);
    const from = heard.items.length;
    for (let i = 0; i < 3; i++) await heard.next(() => true);
    expect(heard.items.slice(from).every(({ s }) => s === 'ETHUSDT')).toBe(true);
    void Promise.resolve(socket.subscribe(['nope@kline_1m'], 'main')).catch(() => {});
    await answers.next((answer) => JSON.stringify(answer).includes('no feed has the symbol'), 0);
    await socket.unsubscribe(['nope@kline_1m'], 'main');
    connected.set('binance', () => {
      const killedAt = Date.now();
      return async () => void (await heard.next(({ s, E }) => s === 'ETHUSDT' && E > killedAt, from));
    });
  });

  it('@binance/connector', async () => {
    const rest = new connector.Spot('', '', { baseURL: `http://${host}` });
    const startTime = history[0]?.[0];
    expect((await rest.klines('BTCUSDT', '1m', { startTime, limit: history.length })).data).toEqual(history);
    expect((await rest.exchangeInfo()).data.symbols).toHaveLength(SYMBOLS.length);
    expect((await rest.ticker24hr('BTCUSDT')).data).toMatchObject({ symbol: 'BTCUSDT' });
    const refusal = await rest
      .klines('NOPE', '1m', {})
      .catch((error: { response: { data: object } }) => error.response.data);
    expect(refusal).toEqual({ code: -1121, msg: 'Invalid symbol.' });

    const heard = new Heard<string>();
    const raw = new connector.WebsocketStream({
      wsURL: `ws://${host}`,
      reconnectDelay: 200,
      logger: silent,
      callbacks: { message: heard.add },
    });
    const combined = new Heard<string>();
    const callbacks = { message: combined.add };
    const both = new connector.WebsocketStream({
      wsURL: `ws://${host}`,
      reconnectDelay: 200,
      combinedStreams: true,
      logger: silent,
      callbacks,
    });
    closes.push(
      () => raw.disconnect(),
      () => both.disconnect(),
    );
    raw.subscribe('btcusdt@kline_1m');
    both.subscribe(['btcusdt@kline_1m', 'xrpeth@kline_5m']);
    await heard.next((text) => text.startsWith('{"e":"kline"'), 0);
    await combined.next((text) => text.startsWith('{"stream":"btcusdt@kline_1m","data":{"e":"kline"'), 0);
    await combined.next((text) => text.startsWith('{"stream":"xrpeth@kline_5m"'), 0);
    both.unsubscribe('btcusdt@kline_1m');
    await combined.next((text) => text.startsWith('{"result":null'), 0);
    const from = combined.items.length;
    for (let i = 0; i < 3; i++) await combined.next(() => true);
    expect(combined.items.slice(from).every((text) => text.startsWith('{"stream":"xrpeth'))).toBe(true);
    connected.set('@binance/connector', () => async () => {
      await heard.next((text) => text.startsWith('{"e":"kline"'));
      await combined.next((text) => text.startsWith('{"stream":"xrpeth@kline_5m"'));
    });
  });

  it('the tutorial datafeed of TradingView', async () => {
    const feed = new TutorialDatafeed(host);
    closes.push(() => feed.close());
    expect([await feed.resolve('BTCUSDT'), await feed.resolve('NOPE')]).toEqual([true, false]);
    const [first, last] = [history[0]?.[0] ?? 0, history.at(-1)?.[0] ?? 0];
    expect(await feed.bars('BTCUSDT', '1m', first, last)).toEqual(history);
    expect(await feed.bars('NOPE', '1m', first, last)).toEqual({ code: -1121, msg: 'Invalid symbol.' });
    await eventually(
      () => feed.connections,
      (count) => count === 1,
    );
    const [minutes, fives] = [new Heard<Bar>(), new Heard<Bar>()];
    feed.subscribe('BTCUSDT', '1m', minutes.add);
    feed.subscribe('ETHUSDT', '5m', fives.add);
    await minutes.next(({ time }) => time > last, 0);
    await fives.next(() => true, 0);
    feed.unsubscribe('BTCUSDT', '1m');
    const before = minutes.items.length;
    for (let i = 0; i < 3; i++) await fives.next(() => true);
    expect(minutes.items.length).toBe(before);
    feed.subscribe('BTCUSDT', '7m', minutes.add);
    await eventually(
      () => feed.errors.length,
      (count) => count === 1,
    );
    feed.unsubscribe('BTCUSDT', '7m');
    feed.subscribe('BTCUSDT', '1m', minutes.add);
    await minutes.next(() => true);
    connected.set('the tutorial datafeed', () => async () => {
      await Promise.all([minutes.next(() => true), fives.next(() => true)]);
      expect(feed.connections).toBeGreaterThan(1);
      expect(feed.errors).toHaveLength(1);
      const times = minutes.items.map(({ time }) => time);
      expect(times).toEqual([...times].sort((a, b) => a - b));
      expect(await feed.bars('BTCUSDT', '1m', first, last)).toEqual(history);
    });
  });

  describe('when the process is gone as if the machine were, and comes back on its port', () => {
    let goesOn: Map<string, () => Promise<void>>;
    beforeAll(async () => {
      goesOn = new Map([...connected].map(([name, ready]) => [name, ready()]));
      await server.stop('SIGKILL');
      server = await Server.start(env);
    });

    it.each(['ccxt', 'binance', '@binance/connector', 'the tutorial datafeed'])(
      '%s goes on by itself',
      async (name) => {
        await expect(goesOn.get(name)?.()).resolves.toBeUndefined();
      },
    );
  });
});
