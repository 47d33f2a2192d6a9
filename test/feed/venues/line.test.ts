import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { kraken } from '../../../src/feed/venues/kraken.js';
import { Line } from '../../../src/feed/venues/line.js';
import { TIMINGS } from '../../../src/feed/venues/timings.js';
import type { VenueMessage } from '../../../src/feed/venues/venue.js';
import { LogLines } from '../recorder.js';
import { VirtualClock } from './virtual-clock.js';

const NOW = Date.UTC(2024, 2, 5, 9, 0, 0);
const servers: WebSocketServer[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    for (const socket of server.clients) socket.terminate();
    server.close();
  }
});

/** Hands over what it is told, and when by the clock of the test. */
async function venueAt(heard: (text: string, socket: WebSocket) => void): Promise<string> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  servers.push(server);
  server.on('connection', (socket) => socket.on('message', (data) => heard(String(data), socket)));
  await once(server, 'listening');
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('Kraken: a pair that it does not have does not hold up the others', async () => {
  const url = await venueAt((text, socket) => {
    const { params } = JSON.parse(text) as { params: { symbol: string[] } };
    for (const symbol of params.symbol) {
      const error = `Currency pair not supported ${symbol}`;
      const answer = symbol === 'BTC/USD' ? { success: true, result: { symbol } } : { success: false, error, symbol };
      socket.send(JSON.stringify({ method: 'subscribe', ...answer }));
    }
  });
  const messages: VenueMessage[] = [];
  const clock = new VirtualClock(NOW, () => true);
  const line = new Line({
    venue: kraken,
    url,
    natives: ['TYPO/USD', 'BTC/USD'],
    timings: TIMINGS,
    clock,
    log: new LogLines(),
    random: () => 0.5,
    message: (message) => messages.push(message),
    nonsense: () => {},
  });
  line.start();
  while (line.frames < 2) await clock.quiet();
  expect(line.liveSince).toBe(NOW);
  expect(messages).toContainEqual({ kind: 'refused', reason: 'Currency pair not supported TYPO/USD' });
  line.stop();
});
