import type { CorrelationAnswer } from '../../wire/analytics.js';
import type { Period, Reads } from './period.js';
import { OF_SYMBOLS, PLACE } from './symbols.js';

type Correlation = Pick<CorrelationAnswer, 'matrix' | 'observations'>;

interface Pair {
  readonly a: number;
  readonly b: number;
  readonly observations: number;
  readonly correlation: number | null;
}

/** Ten years of days are pairs on several cores. */
const DAYS_A_BLOCK = 1024;

/**
 * Pearson's correlation of the daily log returns ln(close(d) / close(d−1)) of each two symbols, over the days on which both have one.
 * Null below 3 such days (two points always lie on a line), and where a price never moved.
 * @see Pearson, Note on Regression and Inheritance in the Case of Two Parents, Proceedings of the Royal Society 58 (1895)
 */
export async function correlation(database: Reads, symbols: readonly string[], period: Period): Promise<Correlation> {
  const parameters = { symbols, ...period };
  const pairs = await database.rows<Pair>(SQL, parameters, { blockRows: DAYS_A_BLOCK });
  const matrix = symbols.map(() => symbols.map((): number | null => null));
  const observations = symbols.map(() => symbols.map(() => 0));
  for (const pair of pairs)
    for (const [i, j] of [
      [pair.a - 1, pair.b - 1],
      [pair.b - 1, pair.a - 1],
    ] as const) {
      matrix[i]?.splice(j, 1, pair.correlation);
      observations[i]?.splice(j, 1, pair.observations);
    }
  return { matrix, observations };
}

/** The returns of a day side by side, and from them every pair: faster than to join the returns with themselves. */
const SQL = `
  WITH
    returns AS (
      SELECT date, place, log(close / lagInFrame(close) OVER before) AS log_return,
        date - lagInFrame(date, 1, date) OVER before = 1 AS follows
      FROM (
        SELECT date, close, ${PLACE} AS place
        FROM daily_ohlcv FINAL
        WHERE ${OF_SYMBOLS} AND date >= {since:Date} AND date < {to:Date}
      )
      WINDOW before AS (PARTITION BY place ORDER BY date ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
    ),
    days AS (
      SELECT arrayZip(groupArray(place), groupArray(log_return)) AS moved FROM returns WHERE follows AND date >= {from:Date} GROUP BY date
    ),
    pairs AS (
      SELECT arrayJoin(arrayFlatten(arrayMap(
        one -> arrayMap(other -> (one.1, other.1, one.2, other.2), arrayFilter(other -> other.1 >= one.1, moved)), moved
      ))) AS pair
      FROM days
    )
  SELECT pair.1 AS a, pair.2 AS b, count() AS observations,
    if(observations >= 3 AND min(pair.3) < max(pair.3) AND min(pair.4) < max(pair.4),
      least(1, greatest(-1, corr(pair.3, pair.4))), NULL) AS correlation
  FROM pairs GROUP BY a, b`;
