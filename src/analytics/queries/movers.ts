import type { MoversAnswer } from '../../wire/analytics.js';
import type { Period, Reads } from './period.js';

type Movers = Pick<MoversAnswer, 'gainers' | 'losers' | 'symbols' | 'leftOut'>;

/**
 * Who has risen and who has fallen most: change = close of the last day / open of the first day − 1, as exchanges' tickers have it.
 * A symbol needs both days; holes between them change nothing.
 * @see https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints#24hr-ticker-price-change-statistics
 */
export async function movers(database: Reads, { from, to }: Period, limit: number): Promise<Movers> {
  const [found] = await database.rows<Movers>(SQL, { from, to, limit });
  return found ?? { gainers: [], losers: [], symbols: 0, leftOut: 0 };
}

const side = (condition: string, order: string) => `
  arraySlice(
    arraySort(one -> (${order}, one.symbol), groupArrayIf(mover, whole AND ${condition})), 1, {limit:UInt32}
  )`;

const SQL = `
  WITH changes AS (
    SELECT symbol,
      min(date) = {from:Date} AND max(date) = {to:Date} - 1 AS whole,
      argMin(open, date) AS first_open,
      argMax(close, date) AS last_close,
      last_close / first_open - 1 AS change,
      CAST((symbol, first_open, last_close, change),
        'Tuple(symbol String, open Float64, close Float64, change Float64)') AS mover
    FROM daily_ohlcv FINAL
    WHERE date IN ({from:Date}, {to:Date} - 1)
    GROUP BY symbol
  )
  SELECT
    ${side('change > 0', '-one.change')} AS gainers,
    ${side('change < 0', 'one.change')} AS losers,
    countIf(whole) AS symbols,
    countIf(NOT whole) AS leftOut
  FROM changes`;
