import { MINUTE_MS } from '../../market/interval.js';
import { epochMs, parseRows, timeText } from './candle-sql.js';
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

/** A stretch of time, epoch ms, `to` exclusive. */
export interface Hole {
  readonly from: number;
  readonly to: number;
}

const MISSING = `
  SELECT json_build_array(
    (SELECT json_agg(json_build_array(${epochMs('t')} + ${MINUTE_MS}, ${epochMs('next')}) ORDER BY t)
      FILTER (WHERE next > t + interval '1 minute')), ${epochMs('min(t)')}, ${epochMs('max(t)')})::text AS rows
  FROM (SELECT "timestamp" AS t, lead("timestamp") OVER (ORDER BY "timestamp") AS next FROM ohlcv
    WHERE symbol = $1 AND "timestamp" >= $2::timestamptz AND "timestamp" < $3::timestamptz) m`;

/** Of the stored minutes in [fromMs, toMs): what is missing between them, and the open times of the first and the last; null where there are none. */
export async function missingMinutes(
  sql: Sql,
  symbol: string,
  fromMs: number,
  toMs: number,
): Promise<{ readonly holes: readonly Hole[]; readonly first: number; readonly last: number } | null> {
  const result = await sql.unsafe<{ rows: string }[]>(MISSING, [symbol, timeText(fromMs), timeText(toMs)]);
  const [holes, first, last] = JSON.parse(result[0]?.rows ?? '[]') as [[number, number][] | null, number?, number?];
  if (typeof first !== 'number' || typeof last !== 'number') return null;
  return { holes: (holes ?? []).map(([from, to]) => ({ from, to })), first, last };
}

const OF_OTHERS = `
  SELECT json_agg(${epochMs('"timestamp"')})::text AS rows FROM ohlcv
  WHERE symbol = $1 AND "timestamp" >= $2::timestamptz AND "timestamp" <= $3::timestamptz AND NOT epoch = ANY ($4::text::bigint[])`;

/** Open times of the stored minutes in [firstMs, lastMs] that other writers wrote than those of `epochs`. */
export async function minutesOfOthers(
  sql: Sql,
  symbol: string,
  firstMs: number,
  lastMs: number,
  epochs: readonly number[],
): Promise<ReadonlySet<number>> {
  const parameters = [symbol, timeText(firstMs), timeText(lastMs), `{${epochs.join(',')}}`];
  return new Set(parseRows<number>(await sql.unsafe(OF_OTHERS, parameters)));
}

/** Whether another process of ours is connected to this database. */
export async function othersConnected(sql: Sql): Promise<boolean> {
  const [row] = await sql.unsafe<{ others: boolean }[]>(
    `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'candlecast'
      AND pid <> pg_backend_pid()) AS others`,
  );
  return row?.others ?? false;
}
