import type { Sql } from 'postgres';
import { UserError } from '../kit/errors.js';
import { bucketEnd, bucketStart, HOUR_MS, type Interval } from '../market/interval.js';

/** A continuous aggregate over the minutes. Each is rolled from one above it in this list (5m from `ohlcv` itself). */
export interface Level {
  readonly view: string;
  readonly interval: Interval;
}

export const LEVELS: readonly Level[] = [
  { view: 'ohlcv_5m', interval: '5m' },
  { view: 'ohlcv_1h', interval: '1h' },
  { view: 'ohlcv_1d', interval: '1d' },
  { view: 'ohlcv_1w', interval: '1w' },
  { view: 'ohlcv_1mon', interval: '1M' },
];

const RETENTION_MIN_DAYS = 7;
const FIRST_LEVEL = 'ohlcv_5m';
/** As the policy of the first level has it in the migrations. */
const FIRST_LEVEL_POLICY = `end_offset => INTERVAL '2 hours', schedule_interval => INTERVAL '5 minutes'`;
const FIRST_LEVEL_LAG_MS = 2 * HOUR_MS;

/**
 * Refreshes every level over the minutes in [fromMs, toMs), lowest first, after rows there were written or corrected.
 * Only what is materialised is refreshed: the rest is computed at reading, and materialising a bucket that is not over
 * would hide its coming minutes. Minutes dropped by retention are left alone, so that the levels keep them.
 * Runs single statements that work in no transaction; safe to repeat after an error. `force`: also what TimescaleDB takes to be up to date.
 */
export async function refreshRange(sql: Sql, fromMs: number, toMs: number, { force = false } = {}): Promise<void> {
  const oldest = await oldestMinute(sql);
  for (const level of LEVELS) {
    const watermark = await readWatermark(sql, level.view);
    if (watermark === null) continue;
    const start = bucketStart(level.interval, fromMs);
    const from = level.interval === '5m' ? Math.max(start, oldest) : start;
    const to = Math.min(endOf(level.interval, toMs), watermark);
    if (from < to) await refreshView(sql, level.view, from, to, { force });
  }
}

/** Refreshes one view over whole buckets. Epoch ms; `fromMs` null: from before all time. `force`: also what TimescaleDB takes to be up to date. */
export async function refreshView(
  sql: Sql,
  view: string,
  fromMs: number | null,
  toMs: number,
  { force = false } = {},
): Promise<void> {
  const [from, to] = [fromMs, toMs].map((time) =>
    time === null ? 'NULL' : `'${new Date(time).toISOString()}'::timestamptz`,
  );
  await sql.unsafe(`CALL refresh_continuous_aggregate('${view}', ${from}, ${to}${force ? ', force => true' : ''})`);
}

/**
 * Keeps the raw minutes for `days`, or for ever with null. The longer intervals stay: what is about to be dropped is
 * materialised first, and from then on the first level is not refreshed further back than the minutes are kept, for it
 * would take dropped minutes for deleted ones. That stays so when the policy is removed.
 * @throws UserError for fewer than seven days.
 */
export async function setRetention(sql: Sql, days: number | null, nowMs: number): Promise<void> {
  if (days !== null && !(Number.isInteger(days) && days >= RETENTION_MIN_DAYS))
    throw new UserError(`minutes are kept for a whole number of days, ${RETENTION_MIN_DAYS} at least, not ${days}`);
  const [policy] = await sql<{ days: number }[]>`
    SELECT (extract(epoch FROM (config->>'drop_after')::interval) / 86400)::float8 AS days
    FROM timescaledb_information.jobs WHERE proc_name = 'policy_retention' AND hypertable_name = 'ohlcv'`;
  if ((policy?.days ?? null) === days) return;
  await sql`SELECT remove_retention_policy('ohlcv', if_exists => true)`;
  if (days === null) return;
  const from = Math.max(0, await oldestMinute(sql));
  const to = bucketStart('5m', nowMs - FIRST_LEVEL_LAG_MS);
  if (from < to) await refreshView(sql, FIRST_LEVEL, from, to);
  await sql`SELECT remove_continuous_aggregate_policy(${FIRST_LEVEL}, if_exists => true)`;
  await sql.unsafe(
    `SELECT add_continuous_aggregate_policy('${FIRST_LEVEL}', start_offset => INTERVAL '${days} days', ${FIRST_LEVEL_POLICY})`,
  );
  await sql`SELECT add_retention_policy('ohlcv', drop_after => make_interval(days => ${days}::int))`;
}

function endOf(interval: Interval, toMs: number): number {
  return bucketEnd(interval, bucketStart(interval, toMs - 1));
}

/** Epoch ms below which a view answers from what is materialised; null when nothing is. */
export async function readWatermark(sql: Sql, view: string): Promise<number | null> {
  const [row] = await sql<{ watermark: number | null }[]>`
    SELECT CASE WHEN w > 0 THEN w / 1000 END::float8 AS watermark
    FROM _timescaledb_catalog.continuous_agg, _timescaledb_functions.cagg_watermark(mat_hypertable_id) AS w
    WHERE user_view_name = ${view}`;
  return row?.watermark ?? null;
}

/** Start of the oldest chunk of minutes, epoch ms; Infinity when there is none. */
export async function oldestMinute(sql: Sql): Promise<number> {
  const [row] = await sql<{ oldest: number | null }[]>`
    SELECT (extract(epoch FROM min(range_start)) * 1000)::float8 AS oldest
    FROM timescaledb_information.chunks WHERE hypertable_name = 'ohlcv'`;
  return row?.oldest ?? Number.POSITIVE_INFINITY;
}
