import { expect, test } from 'vitest';
import { TIMINGS } from '../../../src/feed/venues/timings.js';
import { Track } from '../../../src/feed/venues/track.js';
import type { Trade } from '../../../src/market/trade.js';
import { Recorder } from '../recorder.js';

const MINUTE = 60_000;
const T = Date.UTC(2024, 2, 5, 9, 0, 0);

function trade(id: number, time: number): Trade {
  const rest = { priceWhole: 1, priceFraction: 0, quantityWhole: 1, quantityFraction: 0, takerSide: 'buy' as const };
  return { symbol: 'A', id, time, ...rest };
}

function tracked(storedEnd: number | null = null) {
  const sink = new Recorder();
  const refused: string[] = [];
  const track = new Track({
    symbol: 'A',
    sink,
    graceMs: 2000,
    timings: TIMINGS,
    storedEnd,
    refused: (reason) => refused.push(reason),
  });
  return { track, sink, refused, ids: () => sink.trades.map(({ id }) => id), clock: () => sink.clocks.get('A') };
}

test('trades of before the beginning do not make half a minute', () => {
  const { track, ids } = tracked();
  track.place(10, T, T);
  track.offer(trade(10, T - 1), T);
  track.offer(trade(11, T + 1), T);
  expect([ids(), track.next, track.notWanted]).toEqual([[11], 12, 1]);
});

test('a trade that is missing holds those after it, and the clock', () => {
  const { track, ids, clock } = tracked();
  track.place(10, T, T);
  track.offer(trade(10, T + 5), T + 5);
  track.offer(trade(12, T + MINUTE + 9000), T + 9000);
  expect([ids(), clock(), track.hasHole]).toEqual([[10], T + 5, true]);
  expect(track.needs(T + 9000, T)).toBe(null);
  expect(track.needs(T + 9300, T)).toBe('page');
  track.page([trade(11, T + 50), trade(12, T + MINUTE + 9000)], T + 9400);
  expect([ids(), clock(), track.hasHole]).toEqual([[10, 11, 12], T + MINUTE + 9000, false]);
});

test('a quiet minute is asked about, and closes on the word of REST or of the venue', () => {
  const { track, clock } = tracked();
  track.place(10, T, T);
  track.confirm(9, T + 2000, T);
  expect(track.needs(T, T + MINUTE + 2999)).toBe(null);
  expect(track.needs(T, T + MINUTE + 3000)).toBe('probe');
  expect(track.confirm(9, T + MINUTE + 3000, T)).toBe(true);
  expect(clock()).toBe(T + MINUTE + 3000);
  track.beat({ fromMs: T + MINUTE, untilMs: T + 2 * MINUTE, lastId: null, complete: true }, T);
  expect(clock()).toBe(T + 2 * MINUTE + 2000);
  track.beat({ fromMs: T + 3 * MINUTE, untilMs: T + 4 * MINUTE, lastId: null, complete: true }, T);
  expect(clock()).toBe(T + 2 * MINUTE + 2000);
});

test('a REST that has not heard of our newest trade proves nothing', () => {
  const { track, clock } = tracked();
  track.place(10, T, T);
  track.offer(trade(10, T + 5), T);
  expect(track.confirm(9, T + MINUTE + 3000, T)).toBe(false);
  expect(clock()).toBe(T + 5);
});

test('what the venue vouches for and did not send is a hole', () => {
  const { track } = tracked();
  track.place(10, T, T);
  track.beat({ fromMs: T, untilMs: T + MINUTE, lastId: 11, complete: true }, T);
  expect(track.hasHole).toBe(true);
});

test('ids that REST jumps over twice are none', () => {
  const { track, ids } = tracked();
  track.place(10, T, T);
  track.offer(trade(15, T + 5), T);
  track.page([trade(15, T + 5)], T + 1000);
  expect(ids()).toEqual([]);
  track.page([trade(15, T + 5)], T + 3000);
  expect(ids()).toEqual([15]);
});

test('a hole that is not filled is a gap, before the trades after it', () => {
  const { track, sink } = tracked();
  track.place(10, T, T);
  track.offer(trade(10, T + 5), T + 5);
  for (const id of [15, 16, 17]) track.offer(trade(id, T + id * 1000), T + 20_000);
  track.needs(T + 20_400, T + 20_400);
  track.giveUp(T + 80_000, T + 80_000, T);
  expect(sink.gaps).toEqual([]);
  track.giveUp(T + 80_400, T + 80_400, T);
  expect(sink.calls.slice(-4).map(({ call }) => call)).toEqual(['trade', 'advance', 'trade', 'advance']);
  expect(sink.gaps).toEqual([{ symbol: 'A', from: T + 5, to: T + 15_001 }]);
  expect([track.next, track.isInGap]).toEqual([18, true]);
});

test('while the stream is down nothing is given up', () => {
  const { track, sink } = tracked();
  track.place(10, T, T);
  track.offer(trade(12, T + 5), T);
  track.needs(T + 1000, T + 1000);
  track.giveUp(T + 100_000, T + 100_000, T + 90_000);
  expect(sink.gaps).toEqual([]);
});

test('one wrong id far ahead is forgotten when trades go on in order', () => {
  const { track, sink, ids } = tracked();
  track.place(10, T, T);
  track.offer(trade(5_000_000, T + 1), T);
  for (let id = 10; id < 20; id++) track.offer(trade(id, T + id), T + id);
  expect([ids().length, track.hasHole, sink.gaps]).toEqual([10, false, []]);
});

test('ids that begin anew are followed, after a gap', () => {
  const { track, sink } = tracked();
  track.place(1000, T, T);
  track.offer(trade(1000, T + 5), T);
  for (let id = 1; id <= 10; id++) track.offer(trade(id, T + 1000 * id), T + 1000 * id);
  expect(sink.gaps).toEqual([{ symbol: 'A', from: T + 5, to: T + 10_001 }]);
  expect(track.next).toBe(11);
});

test('a trade with the time of long ago is not believed of the stream', () => {
  const { track, refused, ids } = tracked();
  track.place(10, T, T);
  track.offer(trade(10, T + 5), T);
  track.offer(trade(11, T - 61_000), T);
  expect([refused, ids()]).toEqual([['bad_time'], [10]]);
});

test('without REST it begins with the first whole minute of the stream, and says what is missing since what is stored', () => {
  const { track, sink, ids } = tracked(T - 10 * MINUTE);
  for (let id = 7; id < 12; id++) track.offer(trade(id, T + (id - 8) * 30_000), T);
  track.needs(T, T);
  track.giveUp(T + 60_000, T + 60_000, T);
  expect(ids()).toEqual([8, 9, 10, 11]);
  expect(sink.gaps).toEqual([{ symbol: 'A', from: T - 10 * MINUTE, to: T }]);
});
