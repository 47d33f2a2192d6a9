import { atr, bb, ema, macd, rma, rsi, sma, tr } from 'indicatorts';
import { EMA, RSI } from 'trading-signals';
import { describe, expect, test } from 'vitest';
import { toBar } from '../../../src/signals/indicators/bar.js';
import { createIndicator } from '../../../src/signals/indicators/create.js';
import { type IndicatorSpec, indicatorKey, LINES, lineKey, warmUp } from '../../../src/signals/indicators/indicator.js';
import { realMinutes } from './candles.js';

const bars = realMinutes().map(toBar);
const closes = bars.map(({ close }) => close);
const highs = bars.map(({ high }) => high);
const lows = bars.map(({ low }) => low);
const volumes = bars.map(({ volume }) => volume);

/** One array of values a line, at every candle. */
function ours(spec: IndicatorSpec, from = 0): number[][] {
  const indicator = createIndicator(spec);
  const values = bars.slice(from).map((bar) => {
    indicator.update(bar);
    return [...indicator.lines];
  });
  return LINES[spec.kind].map((_, line) => values.map((at) => at[line] ?? Number.NaN));
}

/** No value before `first`, and from there on the oracle's, to 1e-9 of it (of `scale` where that is given). */
function expectSame(actual: readonly number[] | undefined, oracle: readonly number[], first: number, scale = 0): void {
  expect(actual).toHaveLength(oracle.length);
  const isRight = (value: number, expected: number, i: number): boolean =>
    i < first ? Number.isNaN(value) : Math.abs(value - expected) <= 1e-9 * Math.max(Math.abs(expected), scale);
  const compared = oracle.map((expected, i) => ({ i, expected, value: actual?.[i] ?? Number.NaN }));
  expect(compared.filter(({ i, expected, value }) => !isRight(value, expected, i))).toEqual([]);
}

describe('on the exchange’s minutes, against indicatorts', () => {
  test.each([2, 9, 20, 50, 200, 500])('SMA(%i) from its first full period', (period) => {
    expectSame(ours({ kind: 'sma', period })[0], sma(closes, { period }), period - 1);
  });

  test.each([2, 9, 20, 50, 200, 500])('EMA(%i), seeded with the first close, from its period on', (period) => {
    expectSame(ours({ kind: 'ema', period })[0], ema(closes, { period }), period - 1);
  });

  test.each([5, 20, 100])('SMA(%i) of volume', (period) => {
    expectSame(ours({ kind: 'volume_sma', period })[0], sma(volumes, { period }), period - 1);
  });

  test.each([2, 14, 50])('RSI(%i): Wilder’s averages, seeded with the mean of the first changes', (period) => {
    const changes = closes.slice(1).map((close, i) => close - (closes[i] ?? Number.NaN));
    const gains = rma(
      changes.map((c) => Math.max(c, 0)),
      { period },
    );
    const losses = rma(
      changes.map((c) => Math.max(-c, 0)),
      { period },
    );
    const oracle = [0, ...gains.map((gain, i) => (100 * gain) / (gain + (losses[i] ?? Number.NaN)))];
    const actual = ours({ kind: 'rsi', period })[0];
    // Where nothing moved for long there is no value.
    const still = (i: number) => (gains[i - 1] ?? 0) + (losses[i - 1] ?? 0) <= 1e-9 * (closes[i] ?? 0);
    const known = (values: readonly number[]) => values.map((v, i) => (i >= period && still(i) ? -1 : v));
    expectSame(known((actual ?? []).map((v) => v)), known(oracle), period);
  });

  test('RSI is that of indicatorts, which counts a zero more into the seed, once both seeds are forgotten', () => {
    expectSame(ours({ kind: 'rsi', period: 14 })[0]?.slice(700), rsi(closes, { period: 14 }).slice(700), 0);
  });

  test('RSI is that of trading-signals wherever anything moves', () => {
    const library = new RSI(14);
    const oracle = closes.map((close) => library.update(close, false) ?? Number.NaN);
    expectSame(ours({ kind: 'rsi', period: 14 })[0], oracle, 14);
  });

  test.each([2, 14, 50])('ATR(%i): Wilder’s average of the true range, seeded with the mean of the first', (period) => {
    const ranges = tr(highs, lows, closes);
    expectSame(ours({ kind: 'atr', period })[0], rma(ranges, { period }), period - 1);
    expect(atr(highs, lows, closes, { period }).trLine).toEqual(ranges);
  });

  test('MACD: the line from the slow period on, the signal after as many lines as its own', () => {
    const [fast, slow, signal] = [12, 26, 9];
    const [line, signalLine] = ours({ kind: 'macd', fast, slow, signal });
    const oracle = macd(closes, { fast, slow, signal });
    const price = Math.max(...closes);
    expectSame(line, oracle.macdLine, slow - 1, price);
    const seeded = ema(oracle.macdLine.slice(slow - 1), { period: signal });
    expectSame(signalLine?.slice(slow - 1), seeded, signal - 1, price);
    // indicatorts begins its signal with the first close; the seeds are forgotten later on.
    expectSame(signalLine?.slice(600), oracle.signalLine.slice(600), 0, price);
  });

  test.each([
    [20, 2],
    [50, 1.5],
  ])('Bollinger(%i, %d): population deviation around the SMA', (period, deviations) => {
    const middle = sma(closes, { period });
    const { upper } = bb(closes, { period });
    const [ourUpper, ourLower] = ours({ kind: 'bollinger', period, deviations });
    const half = upper.map((value, i) => ((value - (middle[i] ?? 0)) / 2) * deviations);
    const isWide = (i: number) => 2 * (half[i] ?? 0) > 1e-9 * (middle[i] ?? 0);
    expectSame(
      ourUpper?.filter((_, i) => isWide(i)),
      middle.map((m, i) => m + (half[i] ?? 0)).filter((_, i) => isWide(i)),
      0 + countNarrow(period, isWide),
    );
    expectSame(
      ourLower?.filter((_, i) => isWide(i)),
      middle.map((m, i) => m - (half[i] ?? 0)).filter((_, i) => isWide(i)),
      0 + countNarrow(period, isWide),
    );
  });
});

/** Of the candles before the first full period, those that the filter keeps. */
function countNarrow(period: number, kept: (i: number) => boolean): number {
  return Array.from({ length: period - 1 }, (_, i) => i).filter(kept).length;
}

describe('flat prices', () => {
  const flat = { ...(bars[0] as (typeof bars)[0]), high: 7, low: 7, close: 7, volume: 0 };

  test.each<IndicatorSpec>([
    { kind: 'rsi', period: 14 },
    { kind: 'bollinger', period: 20, deviations: 2 },
  ])('$kind has no value', (spec) => {
    const indicator = createIndicator(spec);
    for (let i = 0; i < 100; i++) indicator.update({ ...flat, openTime: i * 60_000 });
    expect([...indicator.lines].every(Number.isNaN)).toBe(true);
  });
});

describe('warm-up', () => {
  const specs: IndicatorSpec[] = [
    { kind: 'sma', period: 50 },
    { kind: 'ema', period: 50 },
    { kind: 'rsi', period: 14 },
    { kind: 'atr', period: 20 },
    { kind: 'macd', fast: 12, slow: 26, signal: 9 },
    { kind: 'bollinger', period: 20, deviations: 2 },
    { kind: 'volume_sma', period: 30 },
  ];

  test.each(specs)('$kind: a computation that begins so many candles before is the one that began long ago', (spec) => {
    const from = bars.length - 100 - warmUp(spec);
    const price = Math.max(...closes);
    for (const [line, late] of ours(spec, from).entries())
      expectSame(late.slice(-100), ours(spec)[line]?.slice(-100) ?? [], 0, spec.kind === 'macd' ? price : 0);
  });

  test('is no longer than it has to be', () => {
    expect(warmUp({ kind: 'sma', period: 50 })).toBe(50);
    expect(warmUp({ kind: 'ema', period: 50 })).toBeLessThan(22 * 50 + 50);
    expect(new EMA(3).getRequiredInputs()).toBe(3);
  });
});

test('keys are the same for the same computation and different for others', () => {
  expect(indicatorKey({ kind: 'macd', fast: 12, slow: 26, signal: 9 })).toBe('macd(12,26,9)');
  expect(lineKey({ kind: 'macd', fast: 12, slow: 26, signal: 9 }, 1)).toBe('macd_signal(12,26,9)');
  expect(lineKey({ kind: 'bollinger', period: 20, deviations: 2.5 }, 1)).toBe('bollinger_lower(20,2.5)');
});
