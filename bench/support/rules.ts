import type { Condition } from '../../src/signals/rules/schema.js';

/** Distinct periods of each kind of indicator that the rules of a symbol ask for. */
const PERIODS = 10;

/** The n-th rule of a symbol: every kind, `PERIODS` periods, levels of its own. */
export function condition(n: number): Condition {
  const period = 5 + (Math.floor(n / 8) % PERIODS) * 5;
  const part = n / 500;
  switch (n % 8) {
    case 0:
      return { type: 'price', op: 'crosses_above', level: (0.00139 + part * 0.00008).toFixed(8) };
    case 1:
      return { type: 'rsi', period, op: 'crosses_below', level: Math.round(20 + part * 60) };
    case 2:
      return {
        type: 'average',
        average: { kind: 'ema', period },
        op: 'crosses_above',
        than: { kind: 'sma', period: period * 2 },
      };
    case 3:
      return { type: 'macd', fast: period, slow: period * 2, signal: 9, op: 'crosses_above' };
    case 4:
      return {
        type: 'bollinger',
        period: period * 2,
        deviations: 2 + Math.round(part * 10) / 10,
        band: 'upper',
        op: 'touches',
      };
    case 5:
      return { type: 'volume', period, factor: 2 + Math.round(part * 20) / 10 };
    case 6:
      return { type: 'change', candles: period, op: 'above', percent: Math.round(part * 200) / 100 };
    default:
      return {
        all: [
          { type: 'atr', period, op: 'above', percentOfClose: 0.1 },
          { type: 'rsi', period, op: 'above', level: 60 },
        ],
      };
  }
}
