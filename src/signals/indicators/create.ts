import { BollingerBands, EMA, RMA, SMA, TR } from 'trading-signals';
import type { Bar } from './bar.js';
import type { Indicator, IndicatorSpec } from './indicator.js';

/** Smaller than this part of the price is rounding, no movement. */
export const NEGLIGIBLE = 1e-9;

/** Indicators of trading-signals, in doubles. Their definitions and where they begin are in docs/rules.md. */
export function createIndicator(spec: IndicatorSpec): Indicator {
  switch (spec.kind) {
    case 'sma':
      return single(mean(spec.period), (bar) => bar.close);
    case 'ema':
      return single(exponential(spec.period), (bar) => bar.close);
    case 'volume_sma':
      return single(mean(spec.period), (bar) => bar.volume);
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

/** Takes the next number and gives the average, NaN where there is none yet. */
type Average = (value: number) => number;

function mean(period: number): Average {
  const library = new SMA(period);
  return (value) => library.update(value, false) ?? Number.NaN;
}

/** Counts by itself: the library's `isStable` throws and catches an error at every number of the warm-up. */
function exponential(period: number): Average {
  const library = new EMA(period);
  let count = 0;
  return (value) => {
    const average = library.update(value, false);
    count += 1;
    return count >= period ? average : Number.NaN;
  };
}

/** Wilder's average: the library's WSMA in constant time; that one goes on summing what its seed no longer needs. */
function wilder(period: number): Average {
  const seed = mean(period);
  const library = new RMA(period);
  let isSeeded = false;
  return (value) => {
    if (isSeeded) return library.update(value, false);
    const first = seed(value);
    if (Number.isNaN(first)) return first;
    isSeeded = true;
    return library.update(first, false);
  };
}

function single(average: Average, input: (bar: Bar) => number): Indicator {
  const lines = new Float64Array([Number.NaN]);
  return {
    lines,
    update(bar) {
      lines[0] = average(input(bar));
    },
  };
}

/**
 * 100 · gain / (gain + loss) over Wilder's averages, which is the usual 100 − 100 / (1 + gain / loss). The library's own
 * RSI says 100 where nothing has moved at all: there is no value then.
 */
function rsi(period: number): Indicator {
  const lines = new Float64Array([Number.NaN]);
  const gains = wilder(period);
  const losses = wilder(period);
  let previous = Number.NaN;
  return {
    lines,
    update({ close }) {
      const change = close - previous;
      previous = close;
      if (Number.isNaN(change)) return;
      const gain = gains(Math.max(change, 0));
      const movement = gain + losses(Math.max(-change, 0));
      lines[0] = movement > NEGLIGIBLE * close ? (100 * gain) / movement : Number.NaN;
    },
  };
}

function atr(period: number): Indicator {
  const lines = new Float64Array([Number.NaN]);
  const ranges = new TR();
  const average = wilder(period);
  return {
    lines,
    update(bar) {
      lines[0] = average(ranges.update(bar, false));
    },
  };
}

/**
 * As the library's MACD, which keeps all closes of its slow period and gives a signal from the first line on; here the
 * signal begins once there are as many lines as its period.
 */
function macd(fastPeriod: number, slowPeriod: number, signalPeriod: number): Indicator {
  const lines = new Float64Array([Number.NaN, Number.NaN]);
  const fast = exponential(fastPeriod);
  const slow = exponential(slowPeriod);
  const signal = exponential(signalPeriod);
  return {
    lines,
    update({ close }) {
      const line = fast(close) - slow(close);
      if (Number.isNaN(line)) return;
      lines[0] = line;
      lines[1] = signal(line);
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
