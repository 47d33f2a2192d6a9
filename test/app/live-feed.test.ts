import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { WireCandle } from '../../src/wire/messages.js';
import { binanceDialect } from '../feed/venues/dialects.js';
import type { TrueTrade } from '../feed/venues/truth.js';
import { testDataDir } from '../support/database.js';
import { Server } from '../support/server.js';
import { ended, eventually, metric, Places } from './support.js';

const CLIENTS = 200;
const places = new Places();
afterAll(() => places.clear());

const NATIVES = ['BTCUSDT', 'ETHUSDT'] as const;

/** An exchange on this machine that has traded twice a second for two hours, and goes on. */
async function exchange() {
  const { rest, subscribed, trade } = binanceDialect('trade');
  const all: Record<string, TrueTrade[]> = { BTCUSDT: [], ETHUSDT: [] };
  const trades = (native: string): TrueTrade[] => all[native] ?? [];
  const grow = (native: string, time: number): TrueTrade => {
    const id = trades(native).length + 1;
    const next: TrueTrade = { native, id, time, price: `${100 + (id % 7)}.5`, quantity: '0.25', side: 'buy' };
    trades(native).push(next);
    return next;
  };
  for (let time = Date.now() - 7_200_000; time < Date.now(); time += 500)
    for (const native of NATIVES) grow(native, time);
  const http = createServer((request, response) => {
    response.end(rest(new URL(`http://x${request.url}`), trades) ?? '[]');
  });
  const sockets = new WebSocketServer({ server: http });
  let connections = 0;
  const asked: string[] = [];
  sockets.on('connection', (socket) => {
    connections++;
    socket.on('message', (data) => {
      asked.push(String(data));
      for (const answer of subscribed(String(data)).answers) socket.send(answer);
    });
  });
  const timer = setInterval(() => {
    for (const native of NATIVES) {
      const text = trade(grow(native, Date.now()));
      for (const socket of sockets.clients) socket.send(text);
    }
  }, 200);
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const at = `127.0.0.1:${(http.address() as AddressInfo).port}`;
  const close = () => {
    clearInterval(timer);
    for (const socket of sockets.clients) socket.terminate();
    http.closeAllConnections();
    http.close();
  };
  return {
    trades,
    /** Connections that there ever were, and what was said on them. */
    upstream: () => ({ connections, asked: asked.map((text) => (JSON.parse(text) as { method: string }).method) }),
    /** Tells the newest trade once more. */
    repeat: (native: string) => {
      const last = trades(native).at(-1);
      if (last !== undefined) for (const socket of sockets.clients) socket.send(trade(last));
    },
    cut: () => {
      for (const socket of sockets.clients) socket.terminate();
    },
    close,
    ws: `ws://${at}/`,
    rest: `http://${at}`,
  };
}

/** Subscribes on the native or the Binance surface, and waits for a candle of the symbol. */
async function watch(port: number, symbol: string, surface: 'native' | 'binance'): Promise<WebSocket> {
  const lower = symbol.toLowerCase();
  const [path, told, asks] = {
    native: ['/v1/stream', `"candles:${symbol}:1m"`, { op: 'subscribe', channels: [`candles:${symbol}:1m`] }] as const,
    binance: ['/stream', `"${lower}@kline_1m"`, { method: 'SUBSCRIBE', params: [`${lower}@kline_1m`], id: 1 }] as const,
  }[surface];
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
  const isCandle = (text: string) => text.includes(told) && /"type":"candle"|"e":"kline"/.test(text);
  const candle = new Promise<void>((resolve, reject) => {
    socket.on('message', (data) => {
      if (isCandle(String(data))) resolve();
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`${surface} closed before a candle of ${symbol}`)));
  });
  socket.on('open', () => socket.send(JSON.stringify(asks)));
  await candle;
  socket.removeAllListeners('close');
  return socket;
}

describe('a server with FEEDS=binance', () => {
  let venue: Awaited<ReturnType<typeof exchange>>;
  let server: Server;
  const symbols = () => server.json<{ symbols: { symbol: string; state: string; source: string }[] }>('/v1/symbols');

  beforeAll(async () => {
    venue = await exchange();
    const FEEDS = `binance:${NATIVES.join(',')}?ws=${venue.ws}&rest=${venue.rest}`;
    const DATA_DIR = await testDataDir();
    places.keep(DATA_DIR);
    server = await Server.start({ DATA_DIR, FEEDS });
    await eventually(symbols, (answer) => answer.symbols.every(({ state }) => state === 'live'));
  });

  afterAll(() => venue.close());

  test('has one connection to the exchange, however many clients there are', async () => {
    expect((await symbols()).symbols).toMatchObject(
      NATIVES.map((symbol) => ({ symbol, source: 'binance', synthetic: false })),
    );
    const watching: Promise<WebSocket>[] = [];
    for (let i = 0; i < CLIENTS; i++)
      watching.push(watch(server.port, NATIVES[(i >> 1) % 2] ?? 'BTCUSDT', i % 2 === 0 ? 'native' : 'binance'));
    const sockets = await Promise.all(watching);
    expect(venue.upstream()).toEqual({ connections: 1, asked: ['SUBSCRIBE'] });
    for (const socket of sockets) socket.close();
    await Promise.all(sockets.map((socket) => once(socket, 'close')));
    expect(venue.upstream()).toEqual({ connections: 1, asked: ['SUBSCRIBE'] });
  });

  test('counts what the exchange tells twice', async () => {
    const repeated = () => metric(server, 'trades_total{outcome="duplicate"}');
    const before = await repeated();
    for (let times = 0; times < 5; times++) venue.repeat('BTCUSDT');
    await eventually(repeated, (count) => count === before + 5);
    expect(await metric(server, 'trades_total{outcome="not_wanted"}')).toBeGreaterThanOrEqual(0);
  });

  test('has every trade of the minute under way, also after a cut', async () => {
    venue.cut();
    const from = venue.trades('BTCUSDT').length;
    await eventually(
      () => server.json<{ candles: WireCandle[] }>('/v1/candles?symbol=BTCUSDT&interval=1m'),
      ({ candles }) => {
        const last = candles.at(-1);
        const trades = venue.trades('BTCUSDT');
        if (last === undefined || trades.length < from + 10) return false;
        const own = trades.filter(({ time }) => time >= last.t && time < last.t + 60_000);
        // Open candles are published every quarter of a second: some trades are under way.
        return last.n > 3 && last.n <= own.length && last.n >= own.length - 8;
      },
    );
    expect(venue.upstream().connections).toBe(2);
    expect(await server.stop()).toBe(0);
  });
});

test('a feed by ccxt of an exchange that there is not is refused at the start', async () => {
  const { code, said } = await ended(['start'], { DATA_DIR: await places.directory(), FEEDS: 'ccxt:nasdaq:A/USD' });
  expect([code, said]).toEqual([2, expect.stringMatching(/ccxt streams no exchange "nasdaq"/)]);
});
