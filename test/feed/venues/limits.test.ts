import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { binance } from '../../../src/feed/venues/binance.js';
import { kraken } from '../../../src/feed/venues/kraken.js';
import { Line } from '../../../src/feed/venues/line.js';
import { TIMINGS } from '../../../src/feed/venues/timings.js';
import type { Venue, VenueMessage } from '../../../src/feed/venues/venue.js';
import { VenueFeed } from '../../../src/feed/venues/venue-feed.js';
import { LogLines, Recorder } from '../recorder.js';
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

test('Binance: connections and messages of no more symbols than the venue takes, no faster than it takes them', async () => {
  const natives = Array.from({ length: 450 }, (_, i) => `A${i}USDT`);
  const told = new Map<WebSocket, { at: number; symbols: string[] }[]>();
  let answered = 0;
  const url = await venueAt((text, socket) => {
    const { params, id } = JSON.parse(text) as { params: string[]; id: number };
    const trades = params.filter((name) => name.endsWith('@trade'));
    told.set(socket, [...(told.get(socket) ?? []), { at: clock.now(), symbols: trades }]);
    socket.send(JSON.stringify({ result: null, id }));
    answered++;
  });
  const venue: Venue = { ...binance(), newest: async () => null, seek: async () => null, page: async () => [] };
  let feed: VenueFeed | null = null;
  const clock: VirtualClock = new VirtualClock(NOW, () => {
    const traffic = feed?.traffic;
    return traffic === undefined || (told.size === 3 && traffic.frames === answered);
  });
  feed = new VenueFeed(
    { venue, natives, ws: url, rest: 'http://127.0.0.1:9', suffix: '', backfillHours: 1 },
    { clock, log: new LogLines(), sink: new Recorder(), graceMs: 2000, dataDir: '', resume: () => nothing },
    { timings: TIMINGS, random: () => 0.5 },
  );
  void feed.catchUp(() => {});
  await clock.run(NOW + 2000);
  const { symbolsPerConnection, symbolsPerSubscribe, messageEveryMs } = venue.limits;
  for (const messages of told.values()) {
    expect(messages.flatMap(({ symbols }) => symbols).length).toBeLessThanOrEqual(symbolsPerConnection);
    for (const [n, { at, symbols }] of messages.entries()) {
      expect(symbols.length).toBeLessThanOrEqual(symbolsPerSubscribe);
      // It may be heard later than it was sent, never before.
      expect(at).toBeGreaterThanOrEqual(NOW + n * messageEveryMs);
    }
  }
  const all = [...told.values()].flat().flatMap(({ symbols }) => symbols);
  expect(all.sort()).toEqual(natives.map((native) => `${native.toLowerCase()}@trade`).sort());
  expect(feed.traffic).toMatchObject({ open: 3, connecting: 0 });
  await feed.stop();
});

const nothing = { lastOpenTime: null, lastClosedEnd: null };

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
  const reason = 'Currency pair not supported TYPO/USD';
  expect(messages).toContainEqual({ kind: 'refused', native: 'TYPO/USD', reason, whole: false });
  line.stop();
});
