import type { Candle, Gap } from '../../market/candle.js';
import { bucketEnd, bucketStart, DAY_MS, type Interval, MINUTE_MS } from '../../market/interval.js';
import {
  asJsonBySymbol,
  type CandleRow,
  epochMs,
  fold,
  GAP_AS_JSON,
  type GapRow,
  parseRows,
  plainColumns,
  timeText,
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

const SYMBOLS = `unnest($1::text::text[]) AS s (symbol)`;
const NEWEST = `SELECT json_agg(json_build_array(s.symbol, ${epochMs('o.newest')}))::text AS rows FROM ${SYMBOLS}
  CROSS JOIN LATERAL (SELECT max("timestamp") AS newest FROM ohlcv WHERE symbol = s.symbol) o WHERE o.newest IS NOT NULL`;

function columns(interval: Interval): string {
  return `symbol, ${plainColumns(interval)}`;
}

function asValue(relation: string): string {
  return `SELECT ${asJsonBySymbol(relation)}::text AS rows`;
}

/** The latest $3 minutes of each symbol that are not before $2. */
const MINUTES = asValue(`(SELECT m.* FROM ${SYMBOLS} CROSS JOIN LATERAL (SELECT ${columns('1m')} FROM ohlcv
  WHERE symbol = s.symbol AND "timestamp" >= $2::timestamptz ORDER BY "timestamp" DESC LIMIT $3::bigint) m)`);

/**
 * [hours from $2 on, days from $3 on], where $2 begins a day: what is not materialised yet is folded once, to hours, and
 * the days from $2 on are folded from these.
 */
const HOURS_AND_DAYS = `
  WITH hours AS MATERIALIZED (
    SELECT ${columns('1h')} FROM ohlcv_1h WHERE symbol = ANY($1::text::text[]) AND bucket >= $2::timestamptz
  ), days AS (
    SELECT ${columns('1d')} FROM ohlcv_1d
    WHERE symbol = ANY($1::text::text[]) AND bucket >= $3::timestamptz AND bucket < $2::timestamptz
    UNION ALL ${fold('1d', 'SELECT * FROM hours', { bySymbol: true })}
  )
  SELECT json_build_array(${asJsonBySymbol('hours')}, ${asJsonBySymbol('days')})::text AS rows`;

/** The latest $3 rows of each symbol before $2. */
function older(interval: Interval): string {
  const { relation, time } = LADDER[interval];
  return asValue(`(SELECT r.* FROM ${SYMBOLS} CROSS JOIN LATERAL (SELECT ${columns(interval)} FROM ${relation}
    WHERE symbol = s.symbol AND ${time} < $2::timestamptz ORDER BY ${time} DESC LIMIT $3::bigint) r)`);
}

const OLDER = { '1m': older('1m'), '1h': older('1h'), '1d': older('1d') };

const GAPS = `SELECT json_agg(json_build_array(s.symbol, g.rows))::text AS rows FROM ${SYMBOLS} CROSS JOIN LATERAL (
  SELECT json_agg(${GAP_AS_JSON} ORDER BY seq) AS rows
  FROM (SELECT * FROM gaps WHERE symbol = s.symbol ORDER BY seq DESC LIMIT $2::bigint) l) g`;

type BySymbol<Row> = Map<string, Row[]>;

/**
 * State of the symbols as the table has it: drain the spool first. Symbols without rows come back empty.
 * Run it under a deadline that suits the number of symbols.
 *
 * Where minutes follow each other all of it lies in a window back from the newest minute; a symbol with holes in it is
 * asked for again, without a bound.
 */
export async function loadState(
  sql: Sql,
  symbols: readonly string[],
  depth: StateDepth = DEFAULT_DEPTH,
): Promise<SymbolState[]> {
  const ask = asker(sql);
  const states = new Map<string, SymbolState>();
  for (let i = 0; i < symbols.length; i += SYMBOLS_AT_ONCE) {
    const some = symbols.slice(i, i + SYMBOLS_AT_ONCE);
    const gaps = toMap(await ask<[string, GapRow[] | null]>(GAPS, some, depth.gaps));
    const newest = new Map(await ask<[string, number]>(NEWEST, some));
    for (const [day, ofDay] of byDay(some, newest)) {
      const from = Math.min(...ofDay.map((symbol) => newest.get(symbol) ?? day));
      const candles = day === NEVER ? NOTHING : await loadCandles(ask, ofDay, from, depth);
      for (const symbol of ofDay) states.set(symbol, toState(symbol, candles, gaps.get(symbol)));
    }
  }
  return symbols.flatMap((symbol) => states.get(symbol) ?? []);
}

type Ask = <Row>(statement: string, symbols: readonly string[], ...parameters: (string | number)[]) => Promise<Row[]>;

function asker(sql: Sql): Ask {
  return async <Row>(statement: string, symbols: readonly string[], ...parameters: (string | number)[]) => {
    const array = `{${symbols.map((symbol) => JSON.stringify(symbol)).join(',')}}`;
    return parseRows<Row>(await sql.unsafe(statement, [array, ...parameters], { prepare: true }));
  };
}

interface Rows {
  readonly minutes: BySymbol<CandleRow>;
  readonly hours: BySymbol<CandleRow>;
  readonly days: BySymbol<CandleRow>;
}

const NOTHING: Rows = { minutes: new Map(), hours: new Map(), days: new Map() };
const NEVER = Number.NEGATIVE_INFINITY;

/** Symbols by the day of their newest minute: they share the bounds of their statements. */
function byDay(symbols: readonly string[], newest: ReadonlyMap<string, number>): Map<number, string[]> {
  const days = new Map<number, string[]>();
  for (const symbol of symbols) {
    const time = newest.get(symbol);
    const day = time === undefined ? NEVER : bucketStart('1d', time);
    const others = days.get(day);
    if (others === undefined) days.set(day, [symbol]);
    else others.push(symbol);
  }
  return days;
}

/** @param newest the least of the symbols' newest minutes, which are all of one day */
async function loadCandles(ask: Ask, symbols: readonly string[], newest: number, depth: StateDepth): Promise<Rows> {
  const day = bucketStart('1d', newest);
  const minutesFrom = newest - (depth.minutes - 1) * MINUTE_MS;
  const hoursFrom = day - Math.ceil((depth.hours - 1) / 24) * DAY_MS;
  const daysFrom = day - (depth.days - 1) * DAY_MS;
  const [minutes, [hours, days]] = await Promise.all([
    ask<[string, CandleRow[]]>(MINUTES, symbols, timeText(minutesFrom), depth.minutes),
    ask<[string, CandleRow[]][] | null>(HOURS_AND_DAYS, symbols, timeText(hoursFrom), timeText(daysFrom)),
  ]);
  const complete = async (interval: keyof typeof OLDER, rows: BySymbol<CandleRow>, from: number, count: number) => {
    const short = symbols.filter((symbol) => (rows.get(symbol)?.length ?? 0) < count);
    const more =
      short.length === 0 ? [] : await ask<[string, CandleRow[]]>(OLDER[interval], short, timeText(from), count);
    for (const [symbol, before] of more) rows.set(symbol, [...before, ...(rows.get(symbol) ?? [])]);
    for (const [symbol, all] of rows) rows.set(symbol, all.slice(-count));
    return rows;
  };
  return {
    minutes: await complete('1m', toMap(minutes), minutesFrom, depth.minutes),
    hours: await complete('1h', toMap(hours ?? []), hoursFrom, depth.hours),
    days: await complete('1d', toMap(days ?? []), daysFrom, depth.days),
  };
}

function toMap<Row>(pairs: readonly (readonly [string, Row[] | null])[]): BySymbol<Row> {
  return new Map(pairs.map(([symbol, rows]) => [symbol, rows ?? []]));
}

function toState(symbol: string, rows: Rows, gapRows: readonly GapRow[] = []): SymbolState {
  const newest = rows.minutes.get(symbol)?.at(-1);
  const closedBefore = newest === undefined ? 0 : newest[0] + MINUTE_MS;
  const candles = (interval: Interval, of: BySymbol<CandleRow>): Candle[] =>
    (of.get(symbol) ?? []).map((row) => toCandle(symbol, interval, row, bucketEnd(interval, row[0]) <= closedBefore));
  const minutes = candles('1m', rows.minutes);
  const gaps = gapRows.map((row) => toGap(symbol, row));
  const lastSeq = [...minutes, ...gaps].reduce((max, { seq }) => Math.max(max, seq), 0);
  return { symbol, minutes, hours: candles('1h', rows.hours), days: candles('1d', rows.days), gaps, lastSeq };
}
