import type { Interval } from '../../market/interval.js';
import { fold, parseRows, plainColumns, timeText } from './candle-sql.js';
import type { Sql } from './database.js';
import { LADDER } from './ladder.js';

/** What of a candle is compared, as text. */
export type Values = Readonly<
  Record<'open' | 'high' | 'low' | 'close' | 'volume' | 'quote_volume' | 'trade_count' | 'revision', string>
>;

/** A bucket of an aggregate that is not what its parts make. */
export interface AggregateDifference {
  readonly relation: string;
  readonly openTime: number;
  /** What it should be; null: there should be none. */
  readonly expected: Values | null;
  /** What it is; null: it is missing. */
  readonly found: Values | null;
}

const COLUMNS = ['open', 'high', 'low', 'close', 'volume', 'quote_volume', 'trade_count', 'revision'] as const;

function values(alias: string): string {
  return `CASE WHEN ${alias}.t IS NOT NULL THEN json_build_object(${COLUMNS.map((name) => `'${name}', ${alias}.${name}::text`).join(', ')}) END`;
}

function tuple(alias: string): string {
  return `(${alias}.t IS NULL, ${COLUMNS.map((name) => `${alias}.${name}`).join(', ')})`;
}

/** Buckets of `interval` in [$2, $3) that are not the fold of the rows `parts`. */
function differing(interval: Interval, parts: string): string {
  const { relation, time } = LADDER[interval];
  const stored = `SELECT ${plainColumns(interval)} FROM ${relation} WHERE symbol = $1 AND ${time} >= $2::timestamptz AND ${time} < $3::timestamptz`;
  return `SELECT '${relation}' AS relation, coalesce(e.t, f.t) AS t, ${values('e')} AS expected, ${values('f')} AS found
    FROM (${parts}) e FULL JOIN (${stored}) f ON f.t = e.t WHERE ${tuple('e')} IS DISTINCT FROM ${tuple('f')}`;
}

function report(differences: readonly string[], parts: string): string {
  return `WITH parts AS MATERIALIZED (${parts})
    SELECT json_agg(json_build_array(relation, (extract(epoch FROM t) * 1000)::bigint, expected, found) ORDER BY relation, t)::text AS rows
    FROM (${differences.join(' UNION ALL ')}) d`;
}

function rowsOf(interval: Interval): string {
  const { relation, time } = LADDER[interval];
  return `SELECT ${plainColumns(interval)} FROM ${relation} WHERE symbol = $1 AND ${time} >= $2::timestamptz AND ${time} < $3::timestamptz`;
}

/** `fold` counts weeks from the Unix epoch, a Thursday, and knows no months. */
function foldLong(interval: '1w' | '1M'): string {
  const bucket = interval === '1w' ? `time_bucket(INTERVAL '7 days', t)` : `time_bucket(INTERVAL '1 month', t)`;
  return `SELECT ${bucket} AS t, first(open, t) AS open, max(high) AS high, min(low) AS low, last(close, t) AS close,
    sum(volume) AS volume, sum(quote_volume) AS quote_volume, sum(trade_count)::bigint AS trade_count, sum(revision)::bigint AS revision
    FROM parts GROUP BY 1`;
}

/** What is compared with the minutes, shortest first. */
const SHORT = ['5m', '1h', '1d'] as const;
const shortest = (count: number): string =>
  report(
    SHORT.slice(0, count).map((interval) => differing(interval, fold(interval, 'SELECT * FROM parts'))),
    rowsOf('1m'),
  );
const long = (interval: '1w' | '1M'): string => report([differing(interval, foldLong(interval))], rowsOf('1d'));

/** By what is compared: the statement, and the view that must be materialised so far for it to make sense. */
const STATEMENTS = {
  short: [3, 2, 1].map((count) => ({ statement: shortest(count), view: LADDER[SHORT[count - 1] ?? '5m'].relation })),
  weeks: [{ statement: long('1w'), view: LADDER['1w'].relation }],
  months: [{ statement: long('1M'), view: LADDER['1M'].relation }],
};

const WATERMARKS = `SELECT user_view_name AS view,
    (_timescaledb_functions.cagg_watermark(mat_hypertable_id) / 1000)::text AS until
  FROM _timescaledb_catalog.continuous_agg`;

/** Epoch ms up to which each aggregate is materialised. What is later is computed from its parts when it is read. */
export async function readWatermarks(sql: Sql): Promise<Map<string, number>> {
  const rows = await sql.unsafe<{ view: string; until: string }[]>(WATERMARKS, [], { prepare: true });
  return new Map(rows.map(({ view, until }) => [view, Number(until)]));
}

type Row = [relation: string, openTime: number, expected: Values | null, found: Values | null];

/**
 * What does not agree in [fromMs, toMs), whole buckets, of one symbol, as one statement sees it: `short` compares 5m, 1h and 1d with the
 * minutes, `weeks` and `months` 1w and 1M with the days. Only what is materialised: the rest agrees by its nature, and is expensive.
 */
export async function compareAggregates(
  sql: Sql,
  which: keyof typeof STATEMENTS,
  symbol: string,
  fromMs: number,
  toMs: number,
  watermarks: ReadonlyMap<string, number>,
): Promise<AggregateDifference[]> {
  const possible = STATEMENTS[which].find(({ view }) => (watermarks.get(view) ?? 0) >= toMs);
  if (possible === undefined) return [];
  const result = await sql.unsafe(possible.statement, [symbol, timeText(fromMs), timeText(toMs)], { prepare: true });
  return parseRows<Row>(result).map(([relation, openTime, expected, found]) => ({
    relation,
    openTime,
    expected,
    found,
  }));
}
