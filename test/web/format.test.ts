import { expect, test } from 'vitest';
import { formatChange, formatCountdown, formatPrice, formatSpan, pricePrecision } from '../../src/web/format.js';
import { parseRoute } from '../../src/web/route.js';

test.each([
  [['64231.12000000', '64000.00000000'], 2],
  [['0.00141342'], 8],
  [['1.00000000'], 2],
  [['12.34560000', '12.30000000'], 4],
])('prices %j need %i decimals', (prices, decimals) => {
  expect(pricePrecision(prices)).toBe(decimals);
});

test.each([
  ['64231.12000000', 2, '64,231.12'],
  ['0.00141342', 8, '0.00141342'],
  ['999999999999.99999999', 8, '999,999,999,999.99999999'],
  ['100', 2, '100.00'],
])('%s with %i decimals reads %s', (price, precision, text) => {
  expect(formatPrice(price, precision)).toBe(text);
});

test.each([
  ['100', '101.24', '+1.24%'],
  ['100', '98.76', '\u22121.24%'],
  ['100', '100.001', '0.00%'],
  ['0', '1', ''],
])('from %s to %s is %s', (before, after, text) => {
  expect(formatChange(before, after)).toBe(text);
});

test.each([
  [7_000, '0:07'],
  [750_000, '12:30'],
  [11_550_000, '3:12:30'],
  [223_200_000, '2d 14h'],
  [-5, '0:00'],
])('%i ms left read %s', (left, text) => {
  expect(formatCountdown(left)).toBe(text);
});

test('a span names dates only where it crosses midnight', () => {
  expect(formatSpan(Date.UTC(2026, 0, 1, 12, 3), Date.UTC(2026, 0, 1, 12, 9))).toBe('12:03–12:09');
  expect(formatSpan(Date.UTC(2026, 0, 1, 23), Date.UTC(2026, 0, 2, 1))).toBe('1 Jan 2026 23:00 – 2 Jan 2026 01:00');
});

test.each([
  ['#BTCDEMO/5m', 'BTCDEMO', '5m'],
  ['#btcdemo/1M', 'BTCDEMO', '1M'],
  ['#BTCDEMO/7m', 'BTCDEMO', '1m'],
  ['#', null, '1m'],
  ['#%E0%A4%A', null, '1m'],
  ['#<b>/1h', null, '1h'],
])('%s leads to %s %s', (hash, symbol, interval) => {
  expect(parseRoute(hash)).toEqual({ symbol, interval });
});
