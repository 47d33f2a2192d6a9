import type { Condition } from '../../../src/signals/rules/schema.js';

/** A rule of every kind, in several shapes, that fire now and then over the exchange's XRPETH minutes. */
export const MANY_RULES: readonly {
  readonly when: Condition;
  readonly cooldownMs?: number;
  readonly expiresAt?: number;
}[] = [
  { when: { type: 'price', op: 'crosses_above', level: '0.00143' } },
  { when: { type: 'price', op: 'crosses_below', level: '0.00143' } },
  { when: { type: 'price', op: 'above', level: '0.00145' }, cooldownMs: 3_600_000 },
  { when: { type: 'price', op: 'below', level: '0.00141' }, cooldownMs: 600_000 },
  { when: { type: 'change', candles: 1, op: 'above', percent: 0.3 } },
  { when: { type: 'change', candles: 15, op: 'below', percent: -0.5 }, cooldownMs: 900_000 },
  { when: { type: 'change', candles: 60, op: 'crosses_above', percent: 1 } },
  { when: { type: 'change', candles: 240, op: 'crosses_below', percent: -1 } },
  { when: { type: 'rsi', period: 14, op: 'crosses_above', level: 70 } },
  { when: { type: 'rsi', period: 14, op: 'crosses_below', level: 30 } },
  { when: { type: 'rsi', period: 14, op: 'above', level: 80 } },
  { when: { type: 'rsi', period: 7, op: 'below', level: 20 }, cooldownMs: 1_800_000 },
  { when: { type: 'rsi', period: 50, op: 'crosses_above', level: 50 } },
  {
    when: {
      type: 'average',
      average: { kind: 'ema', period: 12 },
      op: 'crosses_above',
      than: { kind: 'ema', period: 26 },
    },
  },
  {
    when: {
      type: 'average',
      average: { kind: 'ema', period: 12 },
      op: 'crosses_below',
      than: { kind: 'ema', period: 26 },
    },
  },
  {
    when: {
      type: 'average',
      average: { kind: 'sma', period: 50 },
      op: 'crosses_above',
      than: { kind: 'sma', period: 200 },
    },
  },
  { when: { type: 'average', average: { kind: 'sma', period: 20 }, op: 'crosses_below', than: 'price' } },
  { when: { type: 'average', average: { kind: 'ema', period: 100 }, op: 'crosses_above', than: 'price' } },
  {
    when: { type: 'average', average: { kind: 'ema', period: 9 }, op: 'above', than: { kind: 'sma', period: 30 } },
    cooldownMs: 7_200_000,
  },
  { when: { type: 'macd', fast: 12, slow: 26, signal: 9, op: 'crosses_above' } },
  { when: { type: 'macd', fast: 12, slow: 26, signal: 9, op: 'crosses_below' } },
  { when: { type: 'macd', fast: 5, slow: 35, signal: 5, op: 'crosses_above' }, cooldownMs: 300_000 },
  { when: { type: 'bollinger', period: 20, deviations: 2, band: 'upper', op: 'touches' } },
  { when: { type: 'bollinger', period: 20, deviations: 2, band: 'lower', op: 'crosses_below' } },
  { when: { type: 'bollinger', period: 50, deviations: 2.5, band: 'lower', op: 'touches' } },
  { when: { type: 'bollinger', period: 20, deviations: 1, band: 'upper', op: 'crosses_above' } },
  { when: { type: 'atr', period: 14, op: 'above', level: '0.000003' }, cooldownMs: 600_000 },
  { when: { type: 'atr', period: 14, op: 'crosses_above', percentOfClose: 0.15 } },
  { when: { type: 'volume', period: 20, factor: 5 } },
  { when: { type: 'volume', period: 100, factor: 10 }, cooldownMs: 600_000 },
  {
    when: {
      all: [
        { type: 'rsi', period: 14, op: 'below', level: 40 },
        { type: 'volume', period: 20, factor: 3 },
      ],
    },
  },
  {
    when: {
      any: [
        { type: 'price', op: 'crosses_above', level: '0.001435' },
        {
          all: [
            { type: 'average', average: { kind: 'ema', period: 12 }, op: 'above', than: { kind: 'ema', period: 26 } },
            {
              any: [
                { type: 'rsi', period: 14, op: 'crosses_above', level: 60 },
                { type: 'bollinger', period: 20, deviations: 2, band: 'upper', op: 'touches' },
              ],
            },
            { type: 'macd', fast: 12, slow: 26, signal: 9, op: 'above' },
          ],
        },
      ],
    },
    cooldownMs: 1_200_000,
  },
  { when: { type: 'change', candles: 5, op: 'above', percent: 0.4 }, expiresAt: 1_570_838_400_000 },
  {
    when: {
      any: [
        { type: 'rsi', period: 21, op: 'above', level: 75 },
        { type: 'rsi', period: 21, op: 'below', level: 25 },
      ],
    },
    cooldownMs: 3_600_000,
  },
];
