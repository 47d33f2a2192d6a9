import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { binance } from '../../../src/feed/venues/binance.js';
import { Line } from '../../../src/feed/venues/line.js';
import { backoffMs, TIMINGS } from '../../../src/feed/venues/timings.js';
import { LogLines } from '../recorder.js';
import { binanceDialect } from './dialects.js';
import { SCRIPT_TIMINGS } from './drama.js';
import { VenuePort } from './mock-venue.js';
import { stage } from './stage.js';
import { Random } from './truth.js';
import { VirtualClock } from './virtual-clock.js';

const NOW = Date.UTC(2024, 2, 5, 9, 0, 0);
const NATIVES = ['BTCUSDT', 'ETHUSDT'];
let port: VenuePort;
let away: Server;

beforeAll(async () => {
  port = await VenuePort.open();
  away = createServer();
  away.listen(0, '127.0.0.1');
  await once(away, 'listening');
});

afterAll(async () => {
  away.close();
  await port.close();
});

/** When each of `count` lines, all cut at NOW, tries again while the venue is away: ms after NOW. */
async function attempts(count: number, seed: number, forMs: number): Promise<number[][]> {
  const tried = Array.from({ length: count }, (): number[] => []);
  const random = new Random(seed);
  const clock = new VirtualClock(NOW, () => lines.every(({ isConnecting }) => !isConnecting));
  const refuse = ({ url = '' }: { url?: string | undefined }, socket: { end(text: string): void }) => {
    tried[Number(url.slice(1))]?.push(clock.now() - NOW);
    socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
  };
  away.on('upgrade', refuse);
  const ws = `ws://127.0.0.1:${(away.address() as AddressInfo).port}`;
  const common = { venue: binance(), natives: NATIVES, timings: TIMINGS, clock, log: new LogLines() };
  const unheard = { random: random.next, message: () => {}, nonsense: () => {} };
  const lines: Line[] = tried.map((_, n) => new Line({ ...common, ...unheard, url: `${ws}/${n}` }));
  for (const line of lines) line.start();
  await clock.run(NOW + forMs);
  for (const line of lines) line.stop();
  away.off('upgrade', refuse);
  return tried;
}

test('connections that were cut together come back spread, never in lock step; the same seed spreads them alike', async () => {
  const [first, again] = [await attempts(60, 7, 20_000), await attempts(60, 7, 20_000)];
  // Which of those that end in the same turn ends first is the network's: the draws are the same ones.
  const drawn = (tried: number[][]) => tried.map((times) => times[1] ?? 0).sort((a, b) => a - b);
  expect(drawn(again)).toEqual(drawn(first));
  for (const times of first) {
    expect(times.length).toBeGreaterThan(2);
    for (const [n, at] of times.slice(1).entries()) {
      const wait = at - (times[n] ?? 0);
      expect(wait).toBeLessThan(backoffMs(n, 1, TIMINGS) + 1);
    }
  }
  for (const attempt of [1, 2, 3]) {
    const at = first.flatMap((times) => times[attempt] ?? []);
    expect(new Set(at).size, `attempt ${attempt}`).toBeGreaterThan(0.9 * at.length);
    // None of the ten parts of the window has a third of them.
    const width = (Math.max(...at) + 1) / 10;
    const parts = at.reduce(
      (sum, time) => sum.set(Math.floor(time / width), (sum.get(Math.floor(time / width)) ?? 0) + 1),
      new Map<number, number>(),
    );
    expect(Math.max(...parts.values()), `attempt ${attempt}`).toBeLessThan(at.length / 3);
  }
});

test('a connection is replaced before the venue cuts it: both run for a while, and nothing is missed or fetched', async () => {
  const lifeMs = 60_000;
  const [venue, dialect] = [binance(), binanceDialect('trade')];
  const played = await stage(port, { venue, dialect, natives: NATIVES, had: NATIVES, lifeMs, forMs: 3 * lifeMs });
  const { log, mostOpen, tracks, gaps, states } = played;
  const connected = log.lines.filter(({ message }) => message === 'connected to the venue');
  expect(connected.map(({ fields }) => (fields as { overlapped: boolean }).overlapped)).toEqual(
    connected.map((_, n) => n > 0),
  );
  // Each lives between lifeMs less twice, and once, the time that it is replaced before the cut.
  const { beforeCutMs } = SCRIPT_TIMINGS;
  expect(connected.length - 1).toBeGreaterThanOrEqual(Math.floor((3 * lifeMs) / (lifeMs - beforeCutMs)));
  expect(connected.length - 1).toBeLessThanOrEqual((3 * lifeMs) / (lifeMs - 2 * beforeCutMs));
  expect(mostOpen).toBe(2);
  expect(log.lines.filter(({ message }) => message.includes('has ended'))).toEqual([]);
  expect(gaps).toEqual([]);
  expect([...states.values()]).toEqual(['live', 'live']);
  // Both connections brought the trades of the overlap.
  for (const track of tracks) expect(track?.duplicates).toBeGreaterThan(0);
  expect(venue.limits.connectionLifeMs).toBe(24 * 3_600_000);
  expect(2 * TIMINGS.beforeCutMs).toBeLessThan(24 * 3_600_000);
});

test.each([0, 40_000, -40_000])(
  'a clock that is %i ms ahead of the venue is reported once, or not at all',
  async (skewMs) => {
    const [venue, dialect] = [binance(), binanceDialect('trade')];
    const played = await stage(port, { venue, dialect, natives: NATIVES, had: NATIVES, skewMs, forMs: 120_000 });
    const reports = played.log.lines.filter(({ message }) => message.startsWith('our clock differs'));
    expect(
      reports.map(({ level, fields }) => [level, Math.round((fields as { skewMs: number }).skewMs / 1000) * 1000]),
    ).toEqual(skewMs === 0 ? [] : [['warn', skewMs]]);
    expect(Math.abs(played.skewMs - skewMs)).toBeLessThanOrEqual(1000);
    expect([...played.states.values()]).toEqual(['live', 'live']);
  },
);
