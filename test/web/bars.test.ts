import { expect, test } from 'vitest';
import { Bars, holeTimes } from '../../src/web/bars.js';
import type { WireCandle } from '../../src/wire/messages.js';

const MINUTE = 60_000;

function candle(minute: number, changes: Partial<WireCandle> = {}): WireCandle {
  return { t: minute * MINUTE, o: '1', h: '1', l: '1', c: '1', v: '1', n: 1, x: true, r: 0, ...changes };
}

function barsOf(...minutes: number[]): Bars {
  const bars = new Bars('1m');
  bars.replace(
    minutes.map((minute) => candle(minute)),
    [],
  );
  return bars;
}

test('a candle after the last one is drawn at the end', () => {
  expect(barsOf(1, 2).upsert(candle(3))).toBe('end');
});

test('a candle after a hole needs the hole drawn', () => {
  expect(barsOf(1, 2).upsert(candle(5))).toBe('all');
});

test('a newer version of the last candle replaces it', () => {
  const bars = barsOf(1, 2);
  expect(bars.upsert(candle(2, { c: '7' }))).toBe('end');
  expect(bars.last?.c).toBe('7');
});

test('a correction of an older candle replaces it', () => {
  const bars = barsOf(1, 2, 3);
  expect(bars.upsert(candle(2, { c: '7', r: 1 }))).toBe('corrected');
  expect(bars.candles.map((held) => held.c)).toEqual(['1', '7', '1']);
});

test('an open candle never takes the place of a closed one', () => {
  const bars = barsOf(1, 2);
  bars.upsert(candle(2, { c: '7', x: false }));
  expect(bars.last).toEqual(candle(2));
});

test('older pages that overlap add only what is new', () => {
  const bars = barsOf(3, 4);
  bars.prepend([candle(1), candle(2), candle(3, { c: '7' })]);
  expect(bars.candles.map((held) => [held.t / MINUTE, held.c])).toEqual([
    [1, '1'],
    [2, '1'],
    [3, '1'],
    [4, '1'],
  ]);
});

test('what was missed is merged in order', () => {
  const bars = barsOf(1, 2, 4);
  const gap = { from: 5 * MINUTE, to: 7 * MINUTE, reason: 'away' };
  bars.merge([candle(3), candle(4, { c: '7' }), candle(8)], [gap, gap]);
  expect(bars.candles.map((held) => held.t / MINUTE)).toEqual([1, 2, 3, 4, 8]);
  expect(bars.gaps).toEqual([gap]);
});

test('the candle before comes with the candle', () => {
  expect(barsOf(1, 2).at(2 * MINUTE)?.before).toEqual(candle(1));
  expect(barsOf(1, 3).at(2 * MINUTE)).toBeNull();
});

test('a hole has a place for each missing candle, up to a bound', () => {
  expect(holeTimes('1m', MINUTE, 4 * MINUTE)).toEqual([2 * MINUTE, 3 * MINUTE]);
  expect(holeTimes('1m', MINUTE, 2 * MINUTE)).toEqual([]);
  const long = holeTimes('1m', 0, 100_000 * MINUTE);
  expect(long.length).toBeLessThan(300);
  expect(long.at(-1)).toBe(99_999 * MINUTE);
});
