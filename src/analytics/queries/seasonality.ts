import type { SeasonalityAnswer } from '../../wire/analytics.js';
import type { Period, Reads } from './period.js';
import { DAYS_WITH_RATIO } from './returns.js';

type Seasonality = Pick<SeasonalityAnswer, 'weekdays' | 'months'>;

/**
 * What weekdays and months were like: mean and median of the simple returns, and the share of those above zero.
 *
 * Weekday, 1 = Monday: the daily return close(d) / close(d−1) − 1 belongs to the weekday of d (ISO 8601).
 * Month: close of its last day / close of the last day of the month before − 1. A month without one of the two does not count, so
 * neither does the one under way.
 * @see French, Stock Returns and the Weekend Effect, Journal of Financial Economics 8 (1980)
 * @see Rozeff, Kinney, Capital Market Seasonality: The Case of Stock Returns, Journal of Financial Economics 3 (1976)
 */
export async function seasonality(database: Reads, symbol: string, period: Period): Promise<Seasonality> {
  const parameters = { symbol, ...period };
  const [weekdays, months] = await Promise.all([
    database.rows<Seasonality['weekdays'][number]>(WEEKDAYS, parameters),
    database.rows<Seasonality['months'][number]>(MONTHS, parameters),
  ]);
  return { weekdays, months };
}

/** One row for each of the seasons 1 to `seasons`, also for those without a return. */
const statistics = (name: string, seasons: number, returns: string) => `
  SELECT ${name},
    avg(simple) AS mean,
    quantileExactInclusive(0.5)(simple) AS median,
    if(returns > 0, countIf(simple > 0) / returns, NULL) AS positive,
    count(simple) AS returns
  FROM (${returns} UNION ALL SELECT number + 1, NULL FROM numbers(${seasons}))
  GROUP BY ${name} ORDER BY ${name}`;

const WEEKDAYS = statistics(
  'weekday',
  7,
  `SELECT toDayOfWeek(date) AS weekday, ratio - 1 AS simple FROM (${DAYS_WITH_RATIO}) WHERE date >= {from:Date}`,
);

const MONTHS = statistics(
  'month',
  12,
  `SELECT toMonth(date) AS month,
     if(lagInFrame(date, 1, date) OVER before + 1 = toStartOfMonth(date), close / lagInFrame(close) OVER before - 1, NULL) AS simple
   FROM daily_ohlcv FINAL
   WHERE symbol = {symbol:String} AND date >= {since:Date} AND date < {to:Date} AND date = toLastDayOfMonth(date)
   WINDOW before AS (ORDER BY date ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)`,
);
