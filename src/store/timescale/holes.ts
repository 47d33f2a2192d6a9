import { MINUTE_MS } from '../../market/interval.js';
import { epochMs } from './candle-sql.js';
import type { Sql } from './database.js';

const NEIGHBOURS = `
  SELECT
    (SELECT ${epochMs('"timestamp"')} FROM ohlcv WHERE symbol = $1 AND "timestamp" < to_timestamp($2::float8 / 1000)
      ORDER BY "timestamp" DESC LIMIT 1) AS before,
    (SELECT ${epochMs('"timestamp"')} FROM ohlcv WHERE symbol = $1 AND "timestamp" >= to_timestamp($3::float8 / 1000)
      ORDER BY "timestamp" LIMIT 1) AS after`;

/** Where the stored minutes before and after [fromMs, toMs) end and begin (epoch ms); null where there are none. */
export async function storedAround(
  sql: Sql,
  symbol: string,
  fromMs: number,
  toMs: number,
): Promise<{ readonly endBefore: number | null; readonly startAfter: number | null }> {
  const [row] = await sql.unsafe<{ before: string | null; after: string | null }[]>(NEIGHBOURS, [symbol, fromMs, toMs]);
  const before = row?.before ?? null;
  const after = row?.after ?? null;
  return {
    endBefore: before === null ? null : Number(before) + MINUTE_MS,
    startAfter: after === null ? null : Number(after),
  };
}

const FORGET = `
  WITH bounds AS (SELECT to_timestamp($2::float8 / 1000) AS a, to_timestamp($3::float8 / 1000) AS b), gone AS (
    DELETE FROM gaps USING bounds WHERE symbol = $1 AND from_time >= a AND to_time <= b RETURNING 1
  ), shortened AS (
    UPDATE gaps SET
      from_time = CASE WHEN from_time >= a THEN b ELSE from_time END,
      to_time = CASE WHEN from_time >= a THEN to_time ELSE a END
    FROM bounds
    WHERE symbol = $1 AND from_time < b AND to_time > a AND (from_time >= a) <> (to_time <= b) RETURNING 1
  )
  SELECT (SELECT count(*) FROM gone)::int + (SELECT count(*) FROM shortened)::int AS count`;

/**
 * Gaps that [fromMs, toMs) has filled: those inside are deleted, those that reach over one of its ends shortened. One that reaches
 * over both stands. @returns how many it was.
 */
export async function forgetGaps(sql: Sql, symbol: string, fromMs: number, toMs: number): Promise<number> {
  const [row] = await sql.unsafe<{ count: number }[]>(FORGET, [symbol, fromMs, toMs]);
  return row?.count ?? 0;
}

/** Whether another process of ours is connected to this database. */
export async function othersConnected(sql: Sql): Promise<boolean> {
  const [row] = await sql.unsafe<{ others: boolean }[]>(
    `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'candlecast'
      AND pid <> pg_backend_pid()) AS others`,
  );
  return row?.others ?? false;
}
