import { assert } from '../../kit/assert.js';
import { type Decimal, FRACTION_UNITS, parseDecimal } from '../../kit/decimal.js';
import type { Candle } from '../../market/candle.js';

/** A closed candle as indicators take it: doubles, with the exact close beside them for comparisons with a level. */
export interface Bar {
  readonly openTime: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume: number;
  readonly exactClose: Decimal;
  /** As in the candle: what a signal shows. */
  readonly closeText: string;
  readonly revision: number;
  readonly seq: number;
}

export function toBar(candle: Candle): Bar {
  const exactClose = parseDecimal(candle.close);
  assert(exactClose !== null, 'a candle holds decimals');
  return {
    openTime: candle.openTime,
    high: Number(candle.high),
    low: Number(candle.low),
    close: Number(candle.close),
    volume: Number(candle.volume),
    exactClose,
    closeText: candle.close,
    revision: candle.revision,
    seq: candle.seq,
  };
}

/** The difference of two decimals: its sign is exact, whatever their size. */
export function difference(a: Decimal, b: Decimal): number {
  return a.whole - b.whole + (a.fraction - b.fraction) / FRACTION_UNITS;
}
