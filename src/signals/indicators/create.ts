import { ATR, BollingerBands, EMA, MACD, SMA, WSMA } from 'trading-signals';
import type { Bar } from './bar.js';
import type { Indicator, IndicatorSpec } from './indicator.js';

/** Smaller than this part of the price is rounding, no movement. */
export const NEGLIGIBLE = 1e-9;

/** Indicators of trading-signals, in doubles. Their definitions and where they begin are in docs/rules.md. */
export function createIndicator(spec: IndicatorSpec): Indicator {
  switch (spec.kind) {
    case 'sma':
      return average(new SMA(spec.period), (bar) => bar.close);
    case 'ema':
      return average(new EMA(spec.period), (bar) => bar.close);
    case 'volume_sma':
      return average(new SMA(spec.period), (bar) => bar.volume);
    case 'rsi':
      return rsi(spec.period);
    case 'atr':
      return atr(spec.period);
    case 'macd':
      return macd(spec.fast, spec.slow, spec.signal);
    case 'bollinger':
      return bollinger(spec.period, spec.deviations);
  }
}

function average(library: SMA | EMA, input: (bar: Bar) => number): Indicator {
  const lines = new Float64Array([Number.NaN]);
  return {
    lines,
    update(bar) {
      library.update(input(bar), false);
      if (library.isStable) lines[0] = library.getResultOrThrow();
    },
  };
}

/**
 * 100 · gain / (gain + loss) over Wilder's averages, which is the usual 100 − 100 / (1 + gain / loss). The library's own
 * RSI says 100 where nothing has moved at all: there is no value then.
 */
function rsi(period: number): Indicator {
  const lines = new Float64Array([Number.NaN]);
  const gains = new WSMA(period);
  const losses = new WSMA(period);
  let previous = Number.NaN;
  return {
    lines,
    update({ close }) {
      const change = close - previous;
      previous = close;
      if (Number.isNaN(change)) return;
      gains.update(Math.max(change, 0), false);
      losses.update(Math.max(-change, 0), false);
      if (!gains.isStable) return;
      const gain = gains.getResultOrThrow();
      const movement = gain + losses.getResultOrThrow();
      lines[0] = movement > NEGLIGIBLE * close ? (100 * gain) / movement : Number.NaN;
    },
  };
}

function atr(period: number): Indicator {
  const lines = new Float64Array([Number.NaN]);
  const library = new ATR(period);
  return {
    lines,
    update(bar) {
      library.update(bar, false);
      if (library.isStable) lines[0] = library.getResultOrThrow();
    },
  };
}

/** The library gives a signal as soon as there is a line; it is used once it has as many lines as its period. */
function macd(fast: number, slow: number, signal: number): Indicator {
  const lines = new Float64Array([Number.NaN, Number.NaN]);
  const library = new MACD(new EMA(fast), new EMA(slow), new EMA(signal));
  return {
    lines,
    update(bar) {
      const result = library.update(bar.close, false);
      if (result === null) return;
      lines[0] = result.macd;
      if (library.signal.isStable) lines[1] = result.signal;
    },
  };
}

/** Where the price did not move within the period there are no bands. */
function bollinger(period: number, deviations: number): Indicator {
  const lines = new Float64Array([Number.NaN, Number.NaN]);
  const library = new BollingerBands(period, deviations);
  return {
    lines,
    update(bar) {
      const bands = library.update(bar.close, false);
      if (bands === null) return;
      const width = bands.upper - bands.lower;
      const wide = width > NEGLIGIBLE * bands.middle;
      lines[0] = wide ? bands.upper : Number.NaN;
      lines[1] = wide ? bands.lower : Number.NaN;
    },
  };
}
