import type { Candle, Gap } from '../../market/candle.js';
import { bucketEnd, type Interval, MINUTE_MS } from '../../market/interval.js';
import {
  asJson,
  type CandleRow,
  GAP_AS_JSON,
  type GapRow,
  parseRows,
  plainColumns,
  toCandle,
  toGap,
} from './candle-sql.js';
import type { Sql } from './database.js';
import { LADDER } from './ladder.js';

/** What the engine needs of one symbol to go on where it stopped; candles ascend. */
export interface SymbolState {
  readonly symbol: string;
  /** The latest stored minutes, hours and days; the last hour and day are as yet open unless `closed`. */
  readonly minutes: readonly Candle[];
  readonly hours: readonly Candle[];
  readonly days: readonly Candle[];
  /** The latest gaps, by seq. */
  readonly gaps: readonly Gap[];
  /** The largest seq of its minutes and gaps; 0 where there are none. */
  readonly lastSeq: number;
}

export interface StateDepth {
  readonly minutes: number;
  readonly hours: number;
  readonly days: number;
  readonly gaps: number;
}

/** Minutes: the revision horizon twice over. Hours: two days. Days: two months. */
export const DEFAULT_DEPTH: StateDepth = { minutes: 130, hours: 49, days: 63, gaps: 16 };
/** Symbols of one statement: some megabytes of answer. */
const SYMBOLS_AT_ONCE = 100;

/** The latest $2 rows of every symbol in $1 (an array literal), as one JSON array of [symbol, rows]. */
function latest(interval: Interval): string {
  const { relation, time } = LADDER[interval];
  const rows = `SELECT ${plainColumns(interval)} FROM ${relation} WHERE symbol = s.symbol ORDER BY ${time} DESC LIMIT $2::bigint`;
  return perSymbol(asJson(rows));
}

function perSymbol(select: string): string {
  return `SELECT json_agg(json_build_array(s.symbol, r.rows::json))::text AS rows
    FROM unnest($1::text::text[]) AS s (symbol) CROSS JOIN LATERAL (${select}) r`;
}

const MINUTES = latest('1m');
const HOURS = latest('1h');
const DAYS = latest('1d');
const GAPS = perSymbol(`SELECT json_agg(${GAP_AS_JSON} ORDER BY seq)::text AS rows
  FROM (SELECT * FROM gaps WHERE symbol = s.symbol ORDER BY seq DESC LIMIT $2::bigint) g`);

/**
 * State of the symbols as the table has it: drain the spool first. Four statements for every hundred symbols.
 * Symbols without rows come back empty. Run it under a deadline that suits the number of symbols.
 */
export async function loadState(
  sql: Sql,
  symbols: readonly string[],
  depth: StateDepth = DEFAULT_DEPTH,
): Promise<SymbolState[]> {
  const states: SymbolState[] = [];
  for (let i = 0; i < symbols.length; i += SYMBOLS_AT_ONCE) {
    states.push(...(await loadSome(sql, symbols.slice(i, i + SYMBOLS_AT_ONCE), depth)));
  }
  return states;
}

async function loadSome(sql: Sql, symbols: readonly string[], depth: StateDepth): Promise<SymbolState[]> {
  const array = `{${symbols.map((symbol) => JSON.stringify(symbol)).join(',')}}`;
  const ask = async <Row>(statement: string, count: number): Promise<Map<string, Row[]>> => {
    const result = await sql.unsafe(statement, [array, count], { prepare: true });
    return new Map(parseRows<[string, Row[] | null]>(result).map(([symbol, rows]) => [symbol, rows ?? []]));
  };
  const [minutes, hours, days, gaps] = await Promise.all([
    ask<CandleRow>(MINUTES, depth.minutes),
    ask<CandleRow>(HOURS, depth.hours),
    ask<CandleRow>(DAYS, depth.days),
    ask<GapRow>(GAPS, depth.gaps),
  ]);
  return symbols.map((symbol) =>
    toState(symbol, minutes.get(symbol), hours.get(symbol), days.get(symbol), gaps.get(symbol)),
  );
}

function toState(
  symbol: string,
  minuteRows: readonly CandleRow[] = [],
  hourRows: readonly CandleRow[] = [],
  dayRows: readonly CandleRow[] = [],
  gapRows: readonly GapRow[] = [],
): SymbolState {
  const newest = minuteRows.at(-1);
  const closedBefore = newest === undefined ? 0 : newest[0] + MINUTE_MS;
  const candles = (interval: Interval, rows: readonly CandleRow[]): Candle[] =>
    rows.map((row) => toCandle(symbol, interval, row, bucketEnd(interval, row[0]) <= closedBefore));
  const minutes = candles('1m', minuteRows);
  const gaps = gapRows.map((row) => toGap(symbol, row));
  const lastSeq = [...minutes, ...gaps].reduce((max, { seq }) => Math.max(max, seq), 0);
  return { symbol, minutes, hours: candles('1h', hourRows), days: candles('1d', dayRows), gaps, lastSeq };
}
