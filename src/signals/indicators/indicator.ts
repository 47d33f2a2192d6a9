import type { Bar } from './bar.js';

/** What to compute; each is computed once for all rules of a (symbol, interval). Periods are counted in candles. */
export type IndicatorSpec =
  | { readonly kind: 'sma' | 'ema' | 'rsi' | 'atr' | 'volume_sma'; readonly period: number }
  | { readonly kind: 'macd'; readonly fast: number; readonly slow: number; readonly signal: number }
  | { readonly kind: 'bollinger'; readonly period: number; readonly deviations: number };

/** Takes closed candles one after the other. `lines` holds the values at the last one, NaN where there is none. */
export interface Indicator {
  readonly lines: Float64Array;
  update(bar: Bar): void;
}

/** What the lines of an indicator are called, in their order. */
export const LINES: Readonly<Record<IndicatorSpec['kind'], readonly string[]>> = {
  sma: ['sma'],
  ema: ['ema'],
  rsi: ['rsi'],
  atr: ['atr'],
  volume_sma: ['volume_sma'],
  macd: ['macd', 'macd_signal'],
  bollinger: ['bollinger_upper', 'bollinger_lower'],
};

/** `ema(20)`, `macd(12,26,9)`: the same text for the same computation. */
export function indicatorKey(spec: IndicatorSpec): string {
  return `${spec.kind}(${parameters(spec).join(',')})`;
}

/** `macd_signal(12,26,9)`. */
export function lineKey(spec: IndicatorSpec, line: number): string {
  return `${LINES[spec.kind][line]}(${parameters(spec).join(',')})`;
}

function parameters(spec: IndicatorSpec): readonly number[] {
  if (spec.kind === 'macd') return [spec.fast, spec.slow, spec.signal];
  if (spec.kind === 'bollinger') return [spec.period, spec.deviations];
  return [spec.period];
}

/** What candles before the warm-up still weigh in a smoothed value. */
const RESIDUE = 1e-18;

/**
 * Candles after which the value does not depend any more on where the computation began (to one part in 1e18). Where
 * there are as many, this many are given to an indicator before its value is used.
 */
export function warmUp(spec: IndicatorSpec): number {
  switch (spec.kind) {
    case 'sma':
    case 'volume_sma':
    case 'bollinger':
      return spec.period;
    case 'ema':
      return emaWarmUp(spec.period);
    case 'rsi':
    case 'atr':
      return spec.period + 1 + smoothed(1 / spec.period);
    case 'macd':
      return emaWarmUp(spec.slow) + emaWarmUp(spec.signal);
  }
}

function emaWarmUp(period: number): number {
  return period + smoothed(2 / (period + 1));
}

function smoothed(weight: number): number {
  return Math.ceil(Math.log(RESIDUE) / Math.log1p(-weight));
}
