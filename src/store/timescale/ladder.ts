import type { Interval } from '../../market/interval.js';

/** Where candles of an interval are read from. */
export interface Rung {
  /** `ohlcv` or a continuous aggregate over it. */
  readonly relation: string;
  /** Its time column. */
  readonly time: string;
  readonly base: Interval;
  /** Rows of the relation in one candle. */
  readonly rows: number;
}

const FROM = {
  '1m': { relation: 'ohlcv', time: '"timestamp"' },
  '5m': { relation: 'ohlcv_5m', time: 'bucket' },
  '1h': { relation: 'ohlcv_1h', time: 'bucket' },
  '1d': { relation: 'ohlcv_1d', time: 'bucket' },
  '1w': { relation: 'ohlcv_1w', time: 'bucket' },
  '1M': { relation: 'ohlcv_1mon', time: 'bucket' },
} as const;

function rung(base: keyof typeof FROM, rows: number): Rung {
  return { ...FROM[base], base, rows };
}

export const LADDER: Readonly<Record<Interval, Rung>> = {
  '1m': rung('1m', 1),
  '3m': rung('1m', 3),
  '5m': rung('5m', 1),
  '15m': rung('5m', 3),
  '30m': rung('5m', 6),
  '1h': rung('1h', 1),
  '2h': rung('1h', 2),
  '4h': rung('1h', 4),
  '6h': rung('1h', 6),
  '8h': rung('1h', 8),
  '12h': rung('1h', 12),
  '1d': rung('1d', 1),
  '3d': rung('1d', 3),
  '1w': rung('1w', 1),
  '1M': rung('1M', 1),
};
