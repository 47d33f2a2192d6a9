import { bucketEnd, type Interval } from '../../market/interval.js';
import type { Bar } from '../indicators/bar.js';
import { createIndicator } from '../indicators/create.js';
import type { Indicator } from '../indicators/indicator.js';
import { holds, type Sides } from './comparison.js';
import type { Plan } from './plan.js';

/**
 * The indicators, quantities and tests of a plan as they stand after a closed candle. Crossings compare with the candle
 * right before; where that one is missing nothing has crossed.
 */
export class PlanState {
  /** 1 = the test holds at the last candle. */
  readonly held: Uint8Array;
  readonly #interval: Interval;
  readonly #plan: Plan;
  readonly #indicators: readonly Indicator[];
  #now: Float64Array;
  #before: Float64Array;
  #last: Bar | null = null;

  constructor(interval: Interval, plan: Plan) {
    this.#interval = interval;
    this.#plan = plan;
    this.#indicators = plan.indicators.map(createIndicator);
    this.#now = new Float64Array(plan.quantities.length).fill(Number.NaN);
    this.#before = new Float64Array(plan.quantities.length).fill(Number.NaN);
    this.held = new Uint8Array(plan.tests.length);
  }

  /** Gives each indicator as many of the latest candles as it needs, before the first `step`. Yields after each indicator. */
  *warm(bars: readonly Bar[]): Generator<undefined> {
    for (const [at, indicator] of this.#indicators.entries()) {
      for (const bar of bars.slice(-(this.#plan.warmUps[at] ?? bars.length))) indicator.update(bar);
      yield;
    }
  }

  /** The next candle. `barAt` finds it and those before it. */
  step(bar: Bar, barAt: (openTime: number) => Bar | null): void {
    const last = this.#last;
    for (const indicator of this.#indicators) indicator.update(bar);
    [this.#now, this.#before] = [this.#before, this.#now];
    if (last === null || bucketEnd(this.#interval, last.openTime) !== bar.openTime) this.#before.fill(Number.NaN);
    this.#read({ bar, barAt });
    this.#compare(bar.close, last?.close ?? Number.NaN);
    this.#last = bar;
  }

  /** The values of both sides of tests, by their keys; constants and what is not known left out. */
  values(tests: readonly number[]): Record<string, number> {
    const values: Record<string, number> = {};
    for (const test of tests) {
      const { left, right } = this.#plan.tests[test] ?? { left: -1, right: -1 };
      for (const at of [left, right]) {
        const planned = this.#plan.quantities[at];
        const value = this.#now[at];
        if (planned === undefined || value === undefined || Number.isNaN(value)) continue;
        if (planned.quantity.shown) values[planned.quantity.key] = value;
      }
    }
    return values;
  }

  #read(frame: { bar: Bar; barAt: (openTime: number) => Bar | null }): void {
    const now = this.#now;
    for (const [at, { quantity, indicator }] of this.#plan.quantities.entries())
      now[at] = quantity.read(frame, this.#indicators[indicator] ?? null);
  }

  #compare(close: number, closeBefore: number): void {
    for (const [at, { left, right, op, tolerance }] of this.#plan.tests.entries()) {
      const sides: Sides = {
        left: this.#now[left] ?? Number.NaN,
        right: this.#now[right] ?? Number.NaN,
        leftBefore: this.#before[left] ?? Number.NaN,
        rightBefore: this.#before[right] ?? Number.NaN,
        close,
        closeBefore,
      };
      this.held[at] = holds(op, tolerance, sides) ? 1 : 0;
    }
  }
}
