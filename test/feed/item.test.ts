import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readItem } from '../../src/feed/push/item.js';
import { isFault } from '../../src/feed/validate.js';
import { formatDecimal } from '../../src/kit/decimal.js';

const NOW = Date.UTC(2026, 4, 17);
const GOOD = { symbol: 'BTC-USD', id: 7, time: NOW, price: '64000.5', quantity: '0.01', side: 'buy' };

function read(change: object) {
  return readItem({ ...GOOD, ...change }, NOW + 10_000);
}

test('numbers and digit strings alike', () => {
  const expected = {
    symbol: 'BTC-USD',
    id: 7,
    time: NOW,
    priceWhole: 64000,
    priceFraction: 50_000_000,
    quantityWhole: 0,
    quantityFraction: 1_000_000,
    takerSide: 'buy',
  };
  expect(read({})).toEqual(expected);
  expect(read({ id: '7', time: String(NOW), price: 64000.5, quantity: 0.01, venue: 'ignored' })).toEqual(expected);
});

test.each([
  [{ symbol: 'btc' }, 'bad_symbol'],
  [{ symbol: undefined }, 'bad_symbol'],
  [{ symbol: { toString: 1 } }, 'bad_symbol'],
  [{ symbol: 'A'.repeat(51) }, 'bad_symbol'],
  [{ id: -1 }, 'bad_id'],
  [{ id: 1.5 }, 'bad_id'],
  [{ id: 2 ** 53 }, 'bad_id'],
  [{ id: '9007199254740993' }, 'bad_id'],
  [{ id: null }, 'bad_id'],
  [{ id: [7] }, 'bad_id'],
  [{ time: 0 }, 'bad_time'],
  [{ time: NOW + 10_001 }, 'bad_time'],
  [{ time: 32_503_680_000_000 }, 'bad_time'],
  [{ time: NOW / 1000 }, 'bad_time'],
  [{ time: '2026-05-17T00:00:00Z' }, 'bad_time'],
  [{ price: 'NaN' }, 'bad_price'],
  [{ price: null }, 'bad_price'],
  [{ price: 0 }, 'bad_price'],
  [{ price: -1 }, 'bad_price'],
  [{ price: 1e300 }, 'bad_price'],
  [{ price: 1e-9 }, 'bad_price'],
  [{ price: 0.30000000000000004 }, 'bad_price'],
  [{ price: 90071992.54740994 }, 'bad_price'],
  [{ price: '1e5' }, 'bad_price'],
  [{ price: '+1' }, 'bad_price'],
  [{ price: ' 1' }, 'bad_price'],
  [{ price: '1000000000000' }, 'bad_price'],
  [{ quantity: '0.00000000' }, 'bad_quantity'],
  [{ quantity: true }, 'bad_quantity'],
  [{ side: 'BUY' }, 'bad_side'],
  [{ side: undefined }, 'bad_side'],
])('%j is quarantined', (change, reason) => {
  expect(read(change)).toMatchObject({ reason });
});

test.each([[null], [undefined], [7], ['x'], [[]], [true]])('%j is no trade', (item) => {
  expect(readItem(item, NOW)).toMatchObject({ reason: 'bad_shape' });
});

test('fields are taken from the object itself, never from its prototype', () => {
  expect(readItem(Object.create(GOOD), NOW)).toMatchObject({ reason: 'bad_symbol' });
});

test('a number that is refused is told to come as a string', () => {
  expect(read({ price: 0.1 + 0.2 })).toMatchObject({ message: expect.stringContaining('send a string') });
});

test('the smallest and the largest decimals stand', () => {
  expect(read({ price: 1e-8, quantity: '999999999999.99999999' })).toMatchObject({
    priceWhole: 0,
    priceFraction: 1,
    quantityWhole: 999_999_999_999,
    quantityFraction: 99_999_999,
  });
});

test('a JSON number is taken digit for digit or not at all', () => {
  const digits = fc.tuple(fc.nat(999_999), fc.integer({ min: 1, max: 99_999_999 }));
  fc.assert(
    fc.property(digits, ([whole, fraction]) => {
      const text = formatDecimal(whole, fraction);
      expect(read({ price: Number(text) })).toMatchObject({ priceWhole: whole, priceFraction: fraction });
    }),
  );
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e15, noNaN: true }), (price) => {
      const trade = read({ price });
      if (!isFault(trade)) expect(Number(formatDecimal(trade.priceWhole, trade.priceFraction))).toBe(price);
    }),
  );
});
