import type { Candle, Gap } from '../../market/candle.js';
import { INTERVAL_MS, type Interval } from '../../market/interval.js';
import { LADDER } from './ladder.js';

/**
 * Rows travel as one JSON array of arrays. Decimals are strings in it, so that no digit passes through a float. The text is put
 * together by `concat`, and times are read as doubles (exact to far below a millisecond): PostgreSQL's JSON functions and its numeric
 * `extract` double the time of the whole query.
 */
export type CandleRow = [
  openTime: number,
  open: string,
  high: string,
  low: string,
  close: string,
  volume: string,
  quoteVolume: string,
  takerBuyVolume: string,
  takerBuyQuoteVolume: string,
  trades: number,
  firstTradeId: number | null,
  lastTradeId: number | null,
  firstTradeTime: number | null,
  lastTradeTime: number | null,
  revision: number,
  seq: number,
];

export function epochMs(expression: string): string {
  return `(date_part('epoch', ${expression}) * 1000)::bigint`;
}

/** Text of a time as `::timestamptz` reads it: a constant when the statement is planned, so that chunks outside are left out. */
export function timeText(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

const PRICE = 'numeric(20,8)';
const VOLUME = 'numeric(20,8)';
const PRODUCT = 'numeric(40,16)';

/** With the decimals of the column, which sums of it have too; of `type` where there is none. */
function decimal(column: string, type: string): string {
  return `'"', coalesce(${column}, 0::${type}), '"'`;
}

function orNull(expression: string): string {
  return `coalesce(${expression}::text, 'null')`;
}

/** One row of columns t, open, … as the JSON text of CandleRow. */
const ROW = `concat('[', ${[
  epochMs('t'),
  decimal('open', PRICE),
  decimal('high', PRICE),
  decimal('low', PRICE),
  decimal('close', PRICE),
  decimal('volume', VOLUME),
  decimal('quote_volume', PRODUCT),
  decimal('taker_buy_volume', VOLUME),
  decimal('taker_buy_quote_volume', PRODUCT),
  'coalesce(trade_count, 0)',
  orNull('first_trade_id'),
  orNull('last_trade_id'),
  orNull(epochMs('first_trade_time')),
  orNull(epochMs('last_trade_time')),
  'coalesce(revision, 0)',
  'coalesce(seq, 0)',
].join(", ',', ")}, ']')`;
const ROWS = `'[' || string_agg(${ROW}, ',' ORDER BY t) || ']'`;

/** A select of columns t, open, … as one JSON array, ascending by t; null when it is empty. */
export function asJson(select: string): string {
  return `SELECT ${ROWS} AS rows FROM (${select}) c`;
}

/** A relation of columns symbol, t, open, … as one JSON value: an array of [symbol, rows], which ascend by t. */
export function asJsonBySymbol(relation: string): string {
  const each = `SELECT symbol, (${ROWS})::json AS rows FROM ${relation} c GROUP BY symbol`;
  return `(SELECT json_agg(json_build_array(symbol, rows)) FROM (${each}) s)`;
}

const PLAIN = `open, high, low, close, volume, quote_volume, taker_buy_volume, taker_buy_quote_volume, trade_count,
  first_trade_id, last_trade_id, first_trade_time, last_trade_time, revision, seq`;

/** Columns of the relation, its time as t. */
export function plainColumns(interval: Interval): string {
  return `${LADDER[interval].time} AS t, ${PLAIN}`;
}

/** Folds rows of columns t, open, … into the interval's buckets, counted from the Unix epoch; with `symbol`, of each symbol. */
export function fold(interval: Interval, rows: string, { bySymbol = false } = {}): string {
  const width = `interval '${(INTERVAL_MS[interval] ?? 0) / 1000} seconds'`;
  return `SELECT ${bySymbol ? 'symbol, ' : ''}time_bucket(${width}, t, timestamptz 'epoch') AS t, first(open, t) AS open, max(high) AS high, min(low) AS low,
    last(close, t) AS close, sum(volume) AS volume, sum(quote_volume) AS quote_volume,
    sum(taker_buy_volume) AS taker_buy_volume, sum(taker_buy_quote_volume) AS taker_buy_quote_volume,
    sum(trade_count)::bigint AS trade_count,
    first(first_trade_id, t) FILTER (WHERE first_trade_id IS NOT NULL) AS first_trade_id,
    last(last_trade_id, t) FILTER (WHERE last_trade_id IS NOT NULL) AS last_trade_id,
    min(first_trade_time) AS first_trade_time, max(last_trade_time) AS last_trade_time,
    sum(revision)::bigint AS revision, max(seq) AS seq
  FROM (${rows}) b GROUP BY ${bySymbol ? '1, 2' : '1'}`;
}

/** Candles of rows; `closed` where the bucket ended at or before `closedBefore` (epoch ms). */
export function toCandle(symbol: string, interval: Interval, row: CandleRow, closed: boolean): Candle {
  const [openTime, open, high, low, close, volume, quoteVolume, takerBuyVolume, takerBuyQuoteVolume, trades] = row;
  return {
    symbol,
    interval,
    openTime,
    open,
    high,
    low,
    close,
    volume,
    quoteVolume,
    takerBuyVolume,
    takerBuyQuoteVolume,
    trades,
    firstTradeId: row[10],
    lastTradeId: row[11],
    firstTradeTime: row[12],
    lastTradeTime: row[13],
    closed,
    revision: row[14],
    seq: row[15],
  };
}

export type GapRow = [from: number, to: number, reason: string, seq: number];
export const GAP_AS_JSON = `json_build_array(${epochMs('from_time')}, ${epochMs('to_time')}, reason, seq)`;

export function toGap(symbol: string, [from, to, reason, seq]: GapRow): Gap {
  return { symbol, from, to, reason, seq };
}

/** The rows of a statement made by `asJson`. */
export function parseRows<Row>(result: readonly unknown[]): Row[] {
  const json = (result[0] as { rows?: unknown } | undefined)?.rows;
  return typeof json === 'string' ? (JSON.parse(json) as Row[]) : [];
}
