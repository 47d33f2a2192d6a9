import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseEmbedOptions } from '../../src/web/embedOptions.js';
import { calculation, INDICATOR_IDS, INDICATORS, type Values } from '../../src/web/indicators.js';

const price = fc.double({ min: 0.01, max: 100_000, noNaN: true });

test.each(INDICATOR_IDS)('%s: a candle that was replaced many times counts as it stands last', (id) => {
  // Each candle: what it closed at while it was open, the last one is final.
  const candles = fc.array(fc.array(price, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 120 });
  fc.assert(
    fc.property(candles, (market) => {
      const [live, anew] = [calculation(id), calculation(id)];
      for (const closes of market) {
        let shown: Values = [];
        for (const [i, close] of closes.entries()) shown = live(close, i > 0);
        const expected = anew(closes.at(-1) ?? 0, false);
        expect(shown).toHaveLength(INDICATORS.find((info) => info.id === id)?.lines.length ?? 0);
        for (const [i, value] of expected.entries()) {
          if (value === null) expect(shown[i]).toBeNull();
          else expect(Math.abs((shown[i] ?? Number.NaN) - value)).toBeLessThan(1e-6 * Math.max(1, Math.abs(value)));
        }
      }
    }),
    { numRuns: 60 },
  );
});

test.each([
  ['sma', 20],
  ['ema', 50],
  ['bollinger', 20],
  ['macd', 34],
] as const)('%s says nothing before there are %i candles', (id, count) => {
  const next = calculation(id);
  for (let i = 1; i < count; i++) expect(next(i, false).every((value) => value === null)).toBe(true);
  expect(next(count, false).every((value) => value !== null)).toBe(true);
});

test('what an embedded chart is asked for: malformed parts fall back, what follows "#" goes first', () => {
  expect(parseEmbedOptions('?symbol=btcusdt&interval=5m&theme=dark&indicators=sma,,nope, rsi', '')).toEqual({
    symbol: 'BTCUSDT',
    interval: '5m',
    theme: 'dark',
    indicators: ['sma', 'rsi'],
  });
  expect(parseEmbedOptions('?symbol=BTCUSDT&theme=dark', '#symbol=ETHUSDT&interval=7m')).toEqual({
    symbol: 'ETHUSDT',
    interval: '1m',
    theme: 'dark',
    indicators: [],
  });
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (search, hash) => {
      expect(['light', 'dark', 'auto']).toContain(parseEmbedOptions(search, hash).theme);
    }),
  );
  expect(parseEmbedOptions('?symbol=<script>', '').symbol).toBeNull();
});
