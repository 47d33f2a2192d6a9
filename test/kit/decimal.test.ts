import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDecimal, parseDecimal } from '../../src/kit/decimal.js';

describe('decimals', () => {
  it('come back as they were, with all eight digits', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 20n - 1n }), (units) => {
        const digits = units.toString().padStart(9, '0');
        const text = `${digits.slice(0, -8)}.${digits.slice(-8)}`;
        const value = parseDecimal(text);
        expect(value && formatDecimal(value.whole, value.fraction)).toBe(text);
      }),
    );
  });

  it('may be written short or with further zeros', () => {
    expect(parseDecimal('23')).toEqual({ whole: 23, fraction: 0 });
    expect(parseDecimal('0.1')).toEqual({ whole: 0, fraction: 10_000_000 });
    expect(parseDecimal('0.10000000000')).toEqual({ whole: 0, fraction: 10_000_000 });
  });

  it.each([
    '',
    '.',
    '1.',
    '.5',
    '-1',
    '+1',
    '1e3',
    'NaN',
    'Infinity',
    ' 1',
    '1 ',
    '1,5',
    '0x10',
    '1.2.3',
    '0.000000001',
    '1000000000000',
    '١',
  ])('refuse %j', (text) => {
    expect(parseDecimal(text)).toBeNull();
  });
});
