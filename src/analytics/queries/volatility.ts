import type { VolatilityAnswer } from '../../wire/analytics.js';
import type { Period, Reads } from './period.js';
import { DAYS_WITH_RATIO } from './returns.js';

type Volatility = Pick<VolatilityAnswer, 'realised' | 'parkinson' | 'returns' | 'days' | 'points'>;

/**
 * How much the price moves, a year: in the whole period, and at each day in the `window` days that end with it.
 *
 * Realised: sample standard deviation of the daily log returns ln(close(d) / close(d−1)), times √365 (these markets trade every day).
 * @see Hull, Options, Futures, and Other Derivatives: estimating volatility from historical data
 *
 * Parkinson: √(mean of ln²(high / low) / (4 ln 2)), times √365; it needs no day before.
 * @see Parkinson, The Extreme Value Method for Estimating the Variance of the Rate of Return, Journal of Business 53 (1980)
 *
 * Null below 2 returns and 1 day; at a point also below half of its window, where it would say little.
 */
export async function volatility(database: Reads, symbol: string, period: Period, window: number): Promise<Volatility> {
  const parameters = { symbol, ...period };
  const half = Math.ceil(window / 2);
  const [[whole], points] = await Promise.all([
    database.rows<Omit<Volatility, 'points'>>(WHOLE, { ...parameters, fewest: 1 }),
    database.rows<Volatility['points'][number]>(rolling(window), { ...parameters, fewest: half }),
  ]);
  return { ...(whole ?? { realised: null, parkinson: null, returns: 0, days: 0 }), points };
}

const DAYS = `
  SELECT date, log(ratio) AS log_return, pow(log(high / low), 2) AS squared_range FROM (${DAYS_WITH_RATIO})`;

/** Over all rows, or over a window of them. */
const figures = (over: string) => `
  count(log_return) ${over} AS returns,
  count() ${over} AS days,
  if(returns >= greatest(2, {fewest:UInt32}), stddevSampStable(log_return) ${over} * sqrt(365), NULL) AS realised,
  if(days >= {fewest:UInt32}, sqrt(avg(squared_range) ${over} / (4 * ln(2))) * sqrt(365), NULL) AS parkinson`;

const WHOLE = `SELECT ${figures('')} FROM (${DAYS}) WHERE date >= {from:Date}`;

/** @param window days; a frame takes no parameter */
const rolling = (window: number) => `
  SELECT date, realised, parkinson, returns, days FROM (
    SELECT date, ${figures('OVER latest')} FROM (${DAYS})
    WINDOW latest AS (ORDER BY toInt32(date) RANGE BETWEEN ${window - 1} PRECEDING AND CURRENT ROW)
  ) WHERE date >= {from:Date} ORDER BY date`;
