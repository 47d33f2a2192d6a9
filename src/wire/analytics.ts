import { z } from 'zod';

/**
 * Answers of /v1/analytics. Days are UTC, as `2024-01-05`; `from` is the first day that was looked at, `to` the day after the last:
 * both null where there is none. Figures are 64-bit floats. What each of them is: docs/analytics.md.
 */

const date = z.iso.date();
const symbol = z.string();
const figure = z.number();
const count = z.int().nonnegative();
const period = { from: date.nullable(), to: date.nullable() };
/** Days that the plan does not give were left out. */
const limited = { limited: z.strictObject({ plan: z.string(), historyDays: count }).exactOptional() };

export const dailyDay = z.strictObject({
  date,
  open: figure,
  high: figure,
  low: figure,
  close: figure,
  volume: figure,
  /** Close over the close of the day before, less 1; null where that day is missing. */
  return: figure.nullable(),
});

export const dailyAnswer = z.strictObject({
  symbol,
  ...period,
  days: z.array(dailyDay),
  /** Days that are missing between the first and the last. */
  holes: z.array(z.strictObject({ from: date, to: date })),
  ...limited,
});

const mover = z.strictObject({ symbol, open: figure, close: figure, change: figure });

export const moversAnswer = z.strictObject({
  ...period,
  gainers: z.array(mover),
  losers: z.array(mover),
  /** With a first and a last day. */
  symbols: count,
  /** With only one of them. */
  leftOut: count,
  ...limited,
});

const volatilities = {
  realised: figure.nullable(),
  parkinson: figure.nullable(),
  /** What `realised` was computed from. */
  returns: count,
  /** What `parkinson` was computed from. */
  days: count,
};

export const volatilityAnswer = z.strictObject({
  symbol,
  ...period,
  ...volatilities,
  /** Days of each point. */
  window: count,
  points: z.array(z.strictObject({ date, ...volatilities })),
  ...limited,
});

export const drawdownAnswer = z.strictObject({
  symbol,
  ...period,
  cumulativeReturn: figure.nullable(),
  /** null: no close was below one before it. */
  maxDrawdown: z.strictObject({ depth: figure, peak: date, trough: date, recovered: date.nullable() }).nullable(),
  points: z.array(z.strictObject({ date, close: figure, cumulative: figure, drawdown: figure })),
  ...limited,
});

export const correlationAnswer = z.strictObject({
  ...period,
  symbols: z.array(symbol),
  /** In the order of `symbols`, both ways. */
  matrix: z.array(z.array(figure.nullable())),
  /** Days on which both have a return. */
  observations: z.array(z.array(count)),
  ...limited,
});

export const volumeAnswer = z.strictObject({
  ...period,
  ranking: z.array(
    z.strictObject({
      rank: z.int().positive(),
      symbol,
      quote: z.string().nullable(),
      quoteVolume: figure,
      volume: figure,
      share: figure.nullable(),
      days: count,
    }),
  ),
  /** All that are ranked, those below `limit` too. */
  symbols: count,
  ...limited,
});

const season = { mean: figure.nullable(), median: figure.nullable(), positive: figure.nullable(), returns: count };

export const seasonalityAnswer = z.strictObject({
  symbol,
  ...period,
  /** From Monday, 1, to Sunday, 7. */
  weekdays: z.array(z.strictObject({ weekday: z.int().min(1).max(7), ...season })),
  months: z.array(z.strictObject({ month: z.int().min(1).max(12), ...season })),
  ...limited,
});

export type DailyAnswer = z.infer<typeof dailyAnswer>;
export type MoversAnswer = z.infer<typeof moversAnswer>;
export type VolatilityAnswer = z.infer<typeof volatilityAnswer>;
export type DrawdownAnswer = z.infer<typeof drawdownAnswer>;
export type CorrelationAnswer = z.infer<typeof correlationAnswer>;
export type VolumeAnswer = z.infer<typeof volumeAnswer>;
export type SeasonalityAnswer = z.infer<typeof seasonalityAnswer>;
