import type { DrawdownAnswer } from '../../wire/analytics.js';
import type { Period, Reads } from './period.js';

type Drawdown = Pick<DrawdownAnswer, 'cumulativeReturn' | 'maxDrawdown' | 'points'>;
type Depth = NonNullable<DrawdownAnswer['maxDrawdown']>;

/**
 * What became of the first close, and how far below the highest close until then each one is:
 * cumulative(d) = close(d) / first close − 1, drawdown(d) = close(d) / max(closes up to d) − 1. The maximum drawdown is the smallest
 * of these, the earliest where it is reached twice; its peak is the first day of that highest close, and it has recovered on the first
 * later day whose close is not below that. Closes only: within the days it was deeper. A hole changes nothing, as whoever held
 * through it has lived through it.
 * @see Magdon-Ismail, Atiya, Maximum Drawdown, Risk Magazine 17 (2004)
 */
export async function drawdown(database: Reads, symbol: string, { from, to }: Period): Promise<Drawdown> {
  const parameters = { symbol, from, to };
  const [points, [worst]] = await Promise.all([
    database.rows<Drawdown['points'][number]>(POINTS, parameters),
    database.rows<Depth>(WORST, parameters),
  ]);
  return { cumulativeReturn: points.at(-1)?.cumulative ?? null, maxDrawdown: worst ?? null, points };
}

const DAYS = `
  SELECT date, close,
    max(close) OVER so_far AS highest,
    close / first_value(close) OVER so_far - 1 AS cumulative,
    close / highest - 1 AS drawdown
  FROM daily_ohlcv FINAL
  WHERE symbol = {symbol:String} AND date >= {from:Date} AND date < {to:Date}
  WINDOW so_far AS (ORDER BY date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)`;

const POINTS = `SELECT date, close, cumulative, drawdown FROM (${DAYS}) ORDER BY date`;

const WORST = `
  WITH
    days AS (${DAYS}),
    (SELECT min((drawdown, date, highest)) FROM days) AS deepest
  SELECT
    deepest.1 AS depth,
    minIf(date, close = deepest.3 AND date < deepest.2) AS peak,
    deepest.2 AS trough,
    minOrNullIf(date, close >= deepest.3 AND date > deepest.2) AS recovered
  FROM days
  HAVING depth < 0`;
