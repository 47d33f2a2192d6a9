import type { CandleRecord, GapRecord, SpoolRecord } from '../spool/record.js';
import { COLUMNS } from './copy-row.js';
import type { Sql } from './database.js';

/** Type of each column's array parameter; times travel as epoch ms. */
const ARRAY_TYPES: Readonly<Record<(typeof COLUMNS)[number], string>> = {
  symbol: 'text',
  timestamp: 'bigint',
  open: 'numeric',
  high: 'numeric',
  low: 'numeric',
  close: 'numeric',
  volume: 'numeric',
  quote_volume: 'numeric',
  taker_buy_volume: 'numeric',
  taker_buy_quote_volume: 'numeric',
  trade_count: 'bigint',
  first_trade_id: 'bigint',
  last_trade_id: 'bigint',
  first_trade_time: 'bigint',
  last_trade_time: 'bigint',
  revision: 'integer',
  seq: 'bigint',
  epoch: 'bigint',
};
const TIMES: ReadonlySet<string> = new Set(['timestamp', 'first_trade_time', 'last_trade_time']);
const NAMES = COLUMNS.map((column) => `"${column}"`);
const UPDATED = NAMES.slice(2);

/** Exact to the millisecond: an interval is counted in whole microseconds. */
export function timeFromMs(expression: string): string {
  return `timestamptz 'epoch' + ${expression} * interval '1 millisecond'`;
}

/** The epochs of $n that are current: they stay so until the statement's rows are committed. */
function current(parameter: string): string {
  return `held AS MATERIALIZED (SELECT epoch FROM writers WHERE epoch = ANY (${parameter}::text::bigint[]) FOR SHARE)`;
}

/** Up to the condition on `r`, a row; takes one array for each column, $1 and on. */
export const INSERT_ROWS = `INSERT INTO ohlcv (${NAMES.join(', ')})
    SELECT ${COLUMNS.map((column) => (TIMES.has(column) ? timeFromMs(`r."${column}"`) : `r."${column}"`)).join(', ')}
    FROM unnest(${COLUMNS.map((column, i) => `$${i + 1}::text::${ARRAY_TYPES[column]}[]`).join(', ')}) AS r (${NAMES.join(', ')})`;
/** What a conflict replaces. */
export const REPLACE_ROW = `SET (${UPDATED.join(', ')}) = (${UPDATED.map((name) => `excluded.${name}`).join(', ')})`;

const UPSERT = `
  WITH ${current(`$${COLUMNS.length + 1}`)}, written AS (
    ${INSERT_ROWS}
    WHERE r.epoch IN (SELECT epoch FROM held)
    ON CONFLICT (symbol, "timestamp") DO UPDATE
      ${REPLACE_ROW}
      WHERE (excluded.epoch, excluded.revision) > (coalesce(ohlcv.epoch, -1), coalesce(ohlcv.revision, -1))
    RETURNING 1
  )
  SELECT (SELECT count(*) FROM written)::int AS written, ARRAY(SELECT epoch FROM held)::text AS held`;

export interface Upserted {
  /** Rows inserted or changed. */
  readonly written: number;
  /** Epochs whose rows were left out, because another writer has taken over. */
  readonly refused: readonly number[];
}

/**
 * Inserts candles or replaces older ones: a row is only ever replaced by one of a higher (epoch, revision), so that a
 * second delivery changes nothing. Rows whose epoch is not current are left out. One statement. No key may occur twice in `rows`.
 */
export async function upsertCandles(sql: Sql, rows: readonly CandleRecord[]): Promise<Upserted> {
  const epochs = distinctEpochs(rows);
  const parameters = [...toArrays(rows), `{${epochs.join(',')}}`];
  const [result] = await sql.unsafe<{ written: number; held: string }[]>(UPSERT, parameters, { prepare: true });
  if (result === undefined) throw new TypeError('an upsert of candles was not answered');
  const held = new Set(result.held.slice(1, -1).split(','));
  return { written: result.written, refused: epochs.filter((epoch) => !held.has(String(epoch))) };
}

export function distinctEpochs(rows: readonly SpoolRecord[]): number[] {
  return [...new Set(rows.map(({ epoch }) => epoch))];
}

/** Array literals by hand: all but symbols are digits, so this is far cheaper than quoting each value. */
export function toArrays(rows: readonly CandleRecord[]): string[] {
  const array = (value: (row: CandleRecord) => string | number | null): string =>
    `{${rows.map((row) => value(row) ?? 'NULL').join(',')}}`;
  return [
    array(({ candle }) => quoted(candle.symbol)),
    array(({ candle }) => candle.openTime),
    array(({ candle }) => candle.open),
    array(({ candle }) => candle.high),
    array(({ candle }) => candle.low),
    array(({ candle }) => candle.close),
    array(({ candle }) => candle.volume),
    array(({ candle }) => candle.quoteVolume),
    array(({ candle }) => candle.takerBuyVolume),
    array(({ candle }) => candle.takerBuyQuoteVolume),
    array(({ candle }) => candle.trades),
    array(({ candle }) => candle.firstTradeId),
    array(({ candle }) => candle.lastTradeId),
    array(({ candle }) => candle.firstTradeTime),
    array(({ candle }) => candle.lastTradeTime),
    array(({ candle }) => candle.revision),
    array(({ candle }) => candle.seq),
    array(({ epoch }) => epoch),
  ];
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

const UPSERT_GAP = `
  WITH ${current('$7')}, written AS (
    INSERT INTO gaps (symbol, from_time, to_time, reason, seq, epoch)
    SELECT $1::text, ${timeFromMs('$2::bigint')}, ${timeFromMs('$3::bigint')}, $4::text, $5::bigint, $6::bigint FROM held
    ON CONFLICT (symbol, seq) DO UPDATE
      SET (from_time, to_time, reason, epoch) = (excluded.from_time, excluded.to_time, excluded.reason, excluded.epoch)
      WHERE excluded.epoch >= coalesce(gaps.epoch, -1)
    RETURNING 1
  )
  SELECT (SELECT count(*) FROM written)::int AS written, (SELECT count(*) FROM held)::int AS held`;

/** Inserts one gap, or replaces the one with its seq that an older or the same writer wrote; not when its epoch is not current. */
export async function upsertGap(sql: Sql, { epoch, gap }: GapRecord): Promise<Upserted> {
  const parameters = [gap.symbol, gap.from, gap.to, gap.reason, gap.seq, epoch, `{${epoch}}`];
  const [result] = await sql.unsafe<{ written: number; held: number }[]>(UPSERT_GAP, parameters, { prepare: true });
  if (result === undefined) throw new TypeError('an upsert of a gap was not answered');
  return { written: result.written, refused: result.held === 1 ? [] : [epoch] };
}
