import type { DailyAnswer } from '../../wire/analytics.js';
import type { Period, Reads } from './period.js';
import { DAYS_WITH_RATIO } from './returns.js';

type Day = DailyAnswer['days'][number];
type Hole = DailyAnswer['holes'][number];

/**
 * Daily history: the days as they stand in `daily_ohlcv`, each with its simple return, close(d) / close(d−1) − 1, and the holes
 * between them.
 */
export async function daily(
  database: Reads,
  symbol: string,
  period: Period,
): Promise<Pick<DailyAnswer, 'days' | 'holes'>> {
  const parameters = { symbol, ...period };
  const [days, holes] = await Promise.all([
    database.rows<Day>(DAYS, parameters),
    database.rows<Hole>(HOLES, parameters),
  ]);
  return { days, holes };
}

const DAYS = `
  SELECT date, open, high, low, close, volume, ratio - 1 AS return
  FROM (${DAYS_WITH_RATIO}) WHERE date >= {from:Date} ORDER BY date`;

const HOLES = `
  SELECT before + 1 AS from, date AS to FROM (
    SELECT date, lagInFrame(date, 1, date) OVER (ORDER BY date ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS before
    FROM daily_ohlcv FINAL
    WHERE symbol = {symbol:String} AND date >= {from:Date} AND date < {to:Date}
  ) WHERE date - before > 1 ORDER BY date`;
