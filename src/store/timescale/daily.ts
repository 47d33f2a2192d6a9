import { DAY_MS } from '../../market/interval.js';
import { epochMs, timeText } from './candle-sql.js';
import type { Sql } from './database.js';

/** A complete UTC day of a symbol; decimals as text. */
export type DayRow = [
  symbol: string,
  openTime: number,
  open: string,
  high: string,
  low: string,
  close: string,
  volume: string,
  quoteVolume: string,
  trades: number,
];

export interface DayPage {
  readonly days: readonly DayRow[];
  /** When the database read them, in µs since the Unix epoch: a later page shows all that an earlier one did. */
  readonly readAt: number;
}

const VALUES = ['open', 'high', 'low', 'close', 'volume', 'quote_volume', 'trade_count'];

/**
 * A day counts when the newest minute of its symbol is not before its end, as in every other interval; where only the minutes were
 * dropped and the days stay, all of them do. One text of lines: an array of JSON takes the engine twice as long. The newest minutes
 * are looked up once, not for each day.
 */
const DAYS = `
  WITH asked AS MATERIALIZED (
    SELECT s.symbol, s.index, (SELECT max("timestamp") FROM ohlcv WHERE symbol = s.symbol) AS newest
    FROM unnest($1::text::text[]) WITH ORDINALITY AS s (symbol, index)
  )
  SELECT string_agg(line, E'\n' ORDER BY symbol, bucket) AS lines,
    (extract(epoch FROM clock_timestamp()) * 1000000)::bigint::text AS read_at
  FROM (
    SELECT d.symbol, d.bucket, concat_ws(',', a.index, ${epochMs('d.bucket')}, ${VALUES.map((column) => `coalesce(d.${column}, 0)`).join(', ')}) AS line
    FROM ohlcv_1d d
    JOIN asked a ON a.symbol = d.symbol
    WHERE d.symbol = ANY ($1::text::text[]) AND d.bucket >= $2::timestamptz AND d.bucket < $3::timestamptz
      AND (a.newest IS NULL OR d.bucket + interval '1 day' <= a.newest + interval '1 minute')
    ORDER BY d.symbol, d.bucket LIMIT $4::bigint
  ) p`;

/** The first `limit` complete days of the symbols in [fromMs, toMs), by symbol and time. */
export async function readDays(
  sql: Sql,
  symbols: readonly string[],
  fromMs: number,
  toMs: number,
  limit: number,
): Promise<DayPage> {
  const parameters = [arrayOf(symbols), timeText(fromMs), timeText(toMs), limit];
  const [row] = await sql.unsafe<{ lines: string | null; read_at: string }[]>(DAYS, parameters, { prepare: true });
  const lines = row?.lines?.split('\n') ?? [];
  return { days: lines.map((line) => parseDay(line, symbols)), readAt: Number(row?.read_at ?? 0) };
}

function parseDay(line: string, symbols: readonly string[]): DayRow {
  const [index, openTime, open = '', high = '', low = '', close = '', volume = '', quoteVolume = '', trades] =
    line.split(',');
  const symbol = symbols[Number(index) - 1];
  if (symbol === undefined) throw new TypeError(`not a day: ${line}`);
  return [symbol, Number(openTime), open, high, low, close, volume, quoteVolume, Number(trades)];
}

const SYMBOLS = 'SELECT symbol FROM symbols WHERE symbol > $1 ORDER BY symbol LIMIT $2';

/** Known symbols by name, the first `limit` after `after`. */
export async function symbolsAfter(sql: Sql, after: string, limit: number): Promise<string[]> {
  const rows = await sql.unsafe<{ symbol: string }[]>(SYMBOLS, [after, limit], { prepare: true });
  return rows.map(({ symbol }) => symbol);
}

const SPAN = `SELECT
  (SELECT ${epochMs('bucket')}::text FROM ohlcv_1d WHERE symbol = $1 ORDER BY bucket LIMIT 1) AS first,
  (SELECT ${epochMs('bucket')}::text FROM ohlcv_1d WHERE symbol = $1 ORDER BY bucket DESC LIMIT 1) AS last`;

/** Open times of the oldest and the newest day of a symbol; null where it has none. */
export async function daySpan(sql: Sql, symbol: string): Promise<{ first: number; last: number } | null> {
  const [row] = await sql.unsafe<{ first: string | null; last: string | null }[]>(SPAN, [symbol], { prepare: true });
  if (row === undefined || row.first === null || row.last === null) return null;
  return { first: Number(row.first), last: Number(row.last) };
}

/** A day in which something changed, and how often so far. */
export interface ChangedDay {
  readonly day: number;
  readonly changes: number;
}

const NOTE = `
  INSERT INTO changed_days (day)
  SELECT d::date FROM generate_series($1::timestamptz, $2::timestamptz, interval '1 day') AS d
  ON CONFLICT (day) DO UPDATE SET changes = changed_days.changes + 1`;
const CHANGED = `SELECT ${epochMs(`(day::timestamp AT TIME ZONE 'UTC')`)}::text AS day, changes::text AS changes
  FROM changed_days WHERE day < $1::date ORDER BY day DESC LIMIT $2`;
const SETTLE = 'DELETE FROM changed_days WHERE day = $1::date AND changes = $2::bigint';

/** Notes that minutes in [fromMs, toMs) were written or corrected. To be called once the days show it. */
export async function noteChangedDays(sql: Sql, fromMs: number, toMs: number): Promise<void> {
  const first = Math.floor(fromMs / DAY_MS) * DAY_MS;
  await sql.unsafe(NOTE, [timeText(first), timeText(toMs - 1)], { prepare: true });
}

/** The latest `limit` of them before a day. */
export async function changedDays(sql: Sql, beforeMs: number, limit: number): Promise<ChangedDay[]> {
  const rows = await sql.unsafe<{ day: string; changes: string }[]>(CHANGED, [dateText(beforeMs), limit], {
    prepare: true,
  });
  return rows.map(({ day, changes }) => ({ day: Number(day), changes: Number(changes) }));
}

/** Forgets a day that was copied, unless it has changed again. */
export async function settleChangedDay(sql: Sql, { day, changes }: ChangedDay): Promise<void> {
  await sql.unsafe(SETTLE, [dateText(day), changes], { prepare: true });
}

function dateText(timeMs: number): string {
  return timeText(timeMs).slice(0, 10);
}

function arrayOf(symbols: readonly string[]): string {
  return `{${symbols.map((symbol) => JSON.stringify(symbol)).join(',')}}`;
}

const GAPS = `SELECT symbol, ${epochMs('from_time')}::text AS from, ${epochMs('to_time')}::text AS to, reason FROM gaps
  WHERE to_time > $1::timestamptz AND from_time < $2::timestamptz AND ($3::text IS NULL OR symbol = $3::text)
  ORDER BY symbol, from_time`;

/** Gaps that touch [fromMs, toMs), of one symbol or of all (null). */
export async function gapsBetween(
  sql: Sql,
  symbol: string | null,
  fromMs: number,
  toMs: number,
): Promise<{ symbol: string; from: number; to: number; reason: string }[]> {
  const rows = await sql.unsafe<{ symbol: string; from: string; to: string; reason: string }[]>(
    GAPS,
    [timeText(fromMs), timeText(toMs), symbol],
    { prepare: true },
  );
  return rows.map((row) => ({ ...row, from: Number(row.from), to: Number(row.to) }));
}
