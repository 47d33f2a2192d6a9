import { parseDecimal } from '../../kit/decimal.js';
import { bucketBack, type Interval } from '../../market/interval.js';
import { type Bar, difference } from '../indicators/bar.js';
import type { Indicator, IndicatorSpec } from '../indicators/indicator.js';
import { lineKey } from '../indicators/indicator.js';

/** What a quantity is read from: the candle that closed, those before it, the indicators at it. */
export interface Frame {
  readonly bar: Bar;
  /** The candle that opened at a time, null where it is not known. */
  barAt(openTime: number): Bar | null;
}

/** A number that has a value at every closed candle; NaN = not known. `key` is the same for the same computation. */
export interface Quantity {
  readonly key: string;
  /** Candles it looks back beside those of its indicator. */
  readonly lookBack: number;
  readonly indicator: IndicatorSpec | null;
  /** Whether a signal tells its value. */
  readonly shown: boolean;
  /** @param indicator that of `indicator`. */
  read(frame: Frame, indicator: Indicator | null): number;
}

export function constant(value: number): Quantity {
  return { key: String(value), lookBack: 0, indicator: null, shown: false, read: () => value };
}

export const CLOSE: Quantity = field('close', (bar) => bar.close);
export const HIGH: Quantity = field('high', (bar) => bar.high);
export const LOW: Quantity = field('low', (bar) => bar.low);
export const VOLUME: Quantity = field('volume', (bar) => bar.volume);

function field(key: string, read: (bar: Bar) => number): Quantity {
  return { key, lookBack: 0, indicator: null, shown: true, read: ({ bar }) => read(bar) };
}

/** Close minus a level, a decimal: its sign is exact. */
export function distance(level: string): Quantity {
  const exact = parseDecimal(level) ?? { whole: Number.NaN, fraction: 0 };
  return {
    key: `close-${level}`,
    lookBack: 0,
    indicator: null,
    shown: false,
    read: ({ bar }) => difference(bar.exactClose, exact),
  };
}

/** Change of the close in percent since the candle that opened `candles` intervals before. */
export function change(interval: Interval, candles: number): Quantity {
  return {
    key: `change(${candles})`,
    lookBack: candles,
    indicator: null,
    shown: true,
    read({ bar, barAt }) {
      const then = barAt(bucketBack(interval, bar.openTime, candles));
      return then === null ? Number.NaN : (100 * (bar.close - then.close)) / then.close;
    },
  };
}

export function lineOf(spec: IndicatorSpec, line = 0): Quantity {
  return {
    key: lineKey(spec, line),
    lookBack: 0,
    indicator: spec,
    shown: true,
    read: (_frame, indicator) => indicator?.lines[line] ?? Number.NaN,
  };
}

export function multiple(factor: number, of: Quantity): Quantity {
  return { ...of, key: `${factor}*${of.key}`, read: (frame, indicator) => factor * of.read(frame, indicator) };
}

export function percentOfClose(of: Quantity): Quantity {
  return {
    ...of,
    key: `${of.key}%close`,
    read: (frame, indicator) => (100 * of.read(frame, indicator)) / frame.bar.close,
  };
}
