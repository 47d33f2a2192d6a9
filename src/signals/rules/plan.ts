import type { Interval } from '../../market/interval.js';
import { type IndicatorSpec, indicatorKey, warmUp } from '../indicators/indicator.js';
import { type Op, type Test, type Tolerance, testKey, testOf } from './comparison.js';
import type { Quantity } from './quantity.js';
import type { Condition } from './schema.js';

/** A condition over numbered tests. */
export type Node = { readonly test: number } | { readonly all: readonly Node[] } | { readonly any: readonly Node[] };

export interface PlannedQuantity {
  readonly quantity: Quantity;
  /** Among the plan's indicators; −1 = none. */
  readonly indicator: number;
}

export interface PlannedTest {
  readonly left: number;
  readonly right: number;
  readonly op: Op;
  readonly tolerance: Tolerance;
}

/** Everything the rules of a (symbol, interval) ask for, each once: indicators, quantities, tests. */
export class Plan {
  readonly indicators: IndicatorSpec[] = [];
  /** Of each indicator, in candles. */
  readonly warmUps: number[] = [];
  readonly quantities: PlannedQuantity[] = [];
  readonly tests: PlannedTest[] = [];
  /** Closed candles before the first one that is judged. */
  warmUp = 1;
  readonly #interval: Interval;
  readonly #indicatorAt = new Map<string, number>();
  readonly #quantityAt = new Map<string, number>();
  readonly #testAt = new Map<string, number>();

  constructor(interval: Interval) {
    this.#interval = interval;
  }

  add(condition: Condition): Node {
    if ('all' in condition) return { all: condition.all.map((part) => this.add(part)) };
    if ('any' in condition) return { any: condition.any.map((part) => this.add(part)) };
    return { test: this.#test(testOf(condition, this.#interval)) };
  }

  #test(test: Test): number {
    return numbered(this.#testAt, testKey(test), this.tests, () => ({
      left: this.#quantity(test.left),
      right: this.#quantity(test.right),
      op: test.op,
      tolerance: test.tolerance,
    }));
  }

  #quantity(quantity: Quantity): number {
    return numbered(this.#quantityAt, quantity.key, this.quantities, () => {
      this.warmUp = Math.max(this.warmUp, quantity.lookBack + 1);
      return { quantity, indicator: quantity.indicator === null ? -1 : this.#indicator(quantity.indicator) };
    });
  }

  #indicator(spec: IndicatorSpec): number {
    return numbered(this.#indicatorAt, indicatorKey(spec), this.indicators, () => {
      const candles = warmUp(spec);
      this.warmUps.push(candles);
      // One more: crossings look at the candle before as well.
      this.warmUp = Math.max(this.warmUp, candles + 1);
      return spec;
    });
  }
}

/** The place of what has this key; made and appended where it is new. */
function numbered<T>(known: Map<string, number>, key: string, list: T[], make: () => T): number {
  const at = known.get(key);
  if (at !== undefined) return at;
  const made = make();
  known.set(key, list.length);
  list.push(made);
  return list.length - 1;
}

/** The numbers of the tests in a condition. */
export function testsOf(node: Node): readonly number[] {
  if ('test' in node) return [node.test];
  return ('all' in node ? node.all : node.any).flatMap(testsOf);
}

export function isTrue(node: Node, held: Uint8Array): boolean {
  if ('test' in node) return held[node.test] === 1;
  if ('all' in node) {
    for (const part of node.all) if (!isTrue(part, held)) return false;
    return true;
  }
  for (const part of node.any) if (isTrue(part, held)) return true;
  return false;
}
