import type { Interval } from '../../market/interval.js';
import { NEGLIGIBLE } from '../indicators/create.js';
import {
  CLOSE,
  change,
  constant,
  distance,
  HIGH,
  LOW,
  lineOf,
  multiple,
  percentOfClose,
  type Quantity,
  VOLUME,
} from './quantity.js';
import type { Comparison, Leaf } from './schema.js';

/** How two numbers compare: `reaches_*` counts equality, the others do not. */
export type Op = Comparison | 'reaches_up' | 'reaches_down';

/**
 * What counts as equal: `exact`, to the last digit; `relative`, within NEGLIGIBLE of the larger one; `price`, within
 * NEGLIGIBLE of the close, for differences of averages, which are rounding wherever the price stands still.
 */
export type Tolerance = 'exact' | 'relative' | 'price';

/** A leaf of a condition as a comparison of two quantities. */
export interface Test {
  readonly left: Quantity;
  readonly op: Op;
  readonly right: Quantity;
  readonly tolerance: Tolerance;
}

export function testOf(leaf: Leaf, interval: Interval): Test {
  switch (leaf.type) {
    case 'price':
      return { left: distance(leaf.level), op: leaf.op, right: constant(0), tolerance: 'exact' };
    case 'change':
      return relative(change(interval, leaf.candles), leaf.op, constant(leaf.percent));
    case 'rsi':
      return relative(lineOf({ kind: 'rsi', period: leaf.period }), leaf.op, constant(leaf.level));
    case 'average':
      return relative(lineOf(leaf.average), leaf.op, leaf.than === 'price' ? CLOSE : lineOf(leaf.than));
    case 'macd': {
      const { fast, slow, signal } = leaf;
      const spec = { kind: 'macd', fast, slow, signal } as const;
      return { left: lineOf(spec, 0), op: leaf.op, right: lineOf(spec, 1), tolerance: 'price' };
    }
    case 'bollinger':
      return bands(leaf);
    case 'atr': {
      const atr = lineOf({ kind: 'atr', period: leaf.period });
      if (leaf.level !== undefined) return relative(atr, leaf.op, constant(Number(leaf.level)));
      return relative(percentOfClose(atr), leaf.op, constant(leaf.percentOfClose ?? Number.NaN));
    }
    case 'volume':
      return relative(VOLUME, 'above', multiple(leaf.factor, lineOf({ kind: 'volume_sma', period: leaf.period })));
  }
}

function bands({ period, deviations, band, op }: Extract<Leaf, { type: 'bollinger' }>): Test {
  const line = lineOf({ kind: 'bollinger', period, deviations }, band === 'upper' ? 0 : 1);
  if (op !== 'touches') return relative(CLOSE, op, line);
  return band === 'upper' ? relative(HIGH, 'reaches_up', line) : relative(LOW, 'reaches_down', line);
}

function relative(left: Quantity, op: Op, right: Quantity): Test {
  return { left, op, right, tolerance: 'relative' };
}

/** The same text for the same comparison. */
export function testKey({ left, op, right }: Test): string {
  return `${left.key} ${op} ${right.key}`;
}

/** The values of both sides at a candle and at its neighbour before it; NaN where not known. */
export interface Sides {
  readonly left: number;
  readonly right: number;
  readonly leftBefore: number;
  readonly rightBefore: number;
  /** Closes of both candles. */
  readonly close: number;
  readonly closeBefore: number;
}

/** Whether it holds; what is not known does not. */
export function holds(op: Op, tolerance: Tolerance, s: Sides): boolean {
  const now = s.left - s.right;
  const margin = marginOf(tolerance, s.left, s.right, s.close);
  switch (op) {
    case 'above':
      return now > margin;
    case 'below':
      return now < -margin;
    case 'reaches_up':
      return now >= -margin;
    case 'reaches_down':
      return now <= margin;
    case 'crosses_above':
      return now > margin && s.leftBefore - s.rightBefore <= marginBefore(tolerance, s);
    case 'crosses_below':
      return now < -margin && s.leftBefore - s.rightBefore >= -marginBefore(tolerance, s);
  }
}

function marginBefore(tolerance: Tolerance, s: Sides): number {
  return marginOf(tolerance, s.leftBefore, s.rightBefore, s.closeBefore);
}

function marginOf(tolerance: Tolerance, left: number, right: number, close: number): number {
  if (tolerance === 'exact') return 0;
  return NEGLIGIBLE * (tolerance === 'price' ? close : Math.max(Math.abs(left), Math.abs(right)));
}
