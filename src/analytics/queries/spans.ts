import type { Reads, Span } from './period.js';
import { OF_SYMBOLS, PLACE } from './symbols.js';

/** First and last day of each of the symbols that have any. */
export async function spans(
  database: Reads,
  symbols: readonly string[],
): Promise<readonly (Span & { symbol: string })[]> {
  return await database.rows(
    `SELECT {symbols:Array(String)}[place] AS symbol, min(date) AS first, max(date) AS last
     FROM daily_ohlcv FINAL WHERE ${OF_SYMBOLS} GROUP BY ${PLACE} AS place`,
    { symbols },
  );
}

/** First and last day that any symbol has; null: there is none. */
export async function marketSpan(database: Reads): Promise<Span | null> {
  return (await readMarket(database, NEWEST)) ?? (await readMarket(database, ALL));
}

async function readMarket(database: Reads, sql: string): Promise<Span | null> {
  const [span] = await database.rows<Span & { days: number }>(sql, {});
  return span === undefined || span.days === 0 ? null : { first: span.first, last: span.last };
}

const ALL = 'SELECT min(date) AS first, max(date) AS last, count() AS days FROM daily_ohlcv FINAL';

/** Without FINAL both ends stand in the table's own records; the last one may be a day that was taken away. */
const NEWEST = `
  WITH (SELECT (min(date), max(date)) FROM daily_ohlcv) AS ends
  SELECT ends.1 AS first, max(date) AS last, count() AS days
  FROM daily_ohlcv FINAL WHERE date > ends.2 - 31`;
