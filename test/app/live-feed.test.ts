import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import type { WireCandle } from '../../src/wire/messages.js';
import { binanceDialect } from '../feed/venues/dialects.js';
import type { TrueTrade } from '../feed/venues/truth.js';
import { Server } from '../support/server.js';
import { ended, eventually, Places } from './support.js';

const places = new Places();
afterAll(() => places.clear());

/** An exchange on this machine that has traded twice a second for two hours, and goes on. */
async function exchange() {
  const { rest, subscribed, trade } = binanceDialect('trade');
  const trades: TrueTrade[] = [];
  const grow = (): TrueTrade => {
    const [id, time] = [trades.length + 1, Date.now()];
    return { native: 'BTCUSDT', id, time, price: `${100 + (id % 7)}.5`, quantity: '0.25', side: 'buy' };
  };
  for (let time = Date.now() - 7_200_000; time < Date.now(); time += 500) trades.push({ ...grow(), time });
  const http = createServer((request, response) => {
    response.end(rest(new URL(`http://x${request.url}`), () => trades) ?? '[]');
  });
  const sockets = new WebSocketServer({ server: http });
  sockets.on('connection', (socket) => {
    socket.on('message', (data) => {
      for (const answer of subscribed(String(data)).answers) socket.send(answer);
    });
  });
  const timer = setInterval(() => {
    const next = grow();
    trades.push(next);
    for (const socket of sockets.clients) socket.send(trade(next));
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
    cut: () => {
      for (const socket of sockets.clients) socket.terminate();
    },
    close,
    ws: `ws://${at}/`,
    rest: `http://${at}`,
  };
}

test('a server with FEEDS=binance has every trade of the minute under way, also after a cut', async () => {
  const venue = await exchange();
  const FEEDS = `binance:BTCUSDT?ws=${venue.ws}&rest=${venue.rest}`;
  const server = await Server.start({ DATA_DIR: await places.directory(), FEEDS });
  const symbols = () => server.json<{ symbols: { symbol: string; state: string; source: string }[] }>('/v1/symbols');
  await eventually(symbols, ({ symbols: [first] }) => first?.state === 'live');
  expect((await symbols()).symbols).toMatchObject([{ symbol: 'BTCUSDT', source: 'binance', synthetic: false }]);
  venue.cut();
  const from = venue.trades.length;
  await eventually(
    () => server.json<{ candles: WireCandle[] }>('/v1/candles?symbol=BTCUSDT&interval=1m'),
    ({ candles }) => {
      const last = candles.at(-1);
      if (last === undefined || venue.trades.length < from + 10) return false;
      const own = venue.trades.filter(({ time }) => time >= last.t && time < last.t + 60_000);
      // Open candles are published every quarter of a second: some trades are under way.
      return last.n > 3 && last.n <= own.length && last.n >= own.length - 8;
    },
  );
  venue.close();
  expect(await server.stop()).toBe(0);
});

test('a feed by ccxt of an exchange that there is not is refused at the start', async () => {
  const { code, said } = await ended(['start'], { DATA_DIR: await places.directory(), FEEDS: 'ccxt:nasdaq:A/USD' });
  expect([code, said]).toEqual([2, expect.stringMatching(/ccxt streams no exchange "nasdaq"/)]);
});
