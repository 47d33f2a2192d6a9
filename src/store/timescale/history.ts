import { noTracer, type Tracer } from '../../kit/tracer.js';
import type { Candle, Gap } from '../../market/candle.js';
import { bucketBack, bucketEnd, bucketStart, INTERVALS, type Interval, MINUTE_MS } from '../../market/interval.js';
import { seqMinute } from '../../market/position.js';
import {
  asJson,
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
import type { Database, Sql } from './database.js';
import { LADDER } from './ladder.js';

/** The database did not answer, or answered with an error (`cause`); the same call may succeed later. */
export class HistoryUnavailable extends Error {
  override readonly name: string = 'HistoryUnavailable';
  constructor(cause: unknown) {
    super(`history is not available: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

interface Statements {
  readonly before: string;
  readonly range: string;
  readonly since: string;
}

/**
 * Statements of one interval. The inner select takes rows of the ladder's relation in the order of its key, so that the
 * database reads no more than it must; for multiples it takes one candle's rows too many, since a limit may cut the
 * outermost candle in two, and that candle is dropped by the outer limit.
 */
function statements(interval: Interval): Statements {
  const { relation, time, rows } = LADDER[interval];
  const select = `SELECT ${plainColumns(interval)} FROM ${relation} WHERE symbol = $1`;
  const between = `${select} AND ${time} >= $2::timestamptz AND ${time} < $3::timestamptz`;
  if (rows === 1) {
    return {
      before: asJson(`${between} ORDER BY ${time} DESC LIMIT $4::bigint`),
      range: asJson(`${between} ORDER BY ${time} LIMIT $4::bigint`),
      since: asJson(
        `${between} AND (seq > $5::bigint OR ${time} >= $6::timestamptz) ORDER BY ${time} LIMIT $4::bigint`,
      ),
    };
  }
  const some = `LIMIT ($4::bigint + 1) * ${rows}`;
  return {
    before: asJson(`${fold(interval, `${between} ORDER BY ${time} DESC ${some}`)} ORDER BY t DESC LIMIT $4::bigint`),
    range: asJson(`${fold(interval, `${between} ORDER BY ${time} ${some}`)} ORDER BY t LIMIT $4::bigint`),
    since: asJson(
      `${fold(interval, between)} HAVING max(seq) > $5::bigint OR max(t) >= $6::timestamptz ORDER BY t LIMIT $4::bigint`,
    ),
  };
}

const STATEMENTS = Object.fromEntries(INTERVALS.map((interval) => [interval, statements(interval)])) as Readonly<
  Record<Interval, Statements>
>;
const NEWEST = `SELECT ${epochMs('max("timestamp")')} AS newest FROM ohlcv WHERE symbol = $1`;
const GAPS = `SELECT json_agg(${GAP_AS_JSON} ORDER BY seq)::text AS rows FROM gaps WHERE symbol = $1`;
const GAPS_BETWEEN = `${GAPS} AND to_time > $2::timestamptz AND from_time < $3::timestamptz`;
const GAPS_SINCE = `${GAPS} AND seq > $2::bigint`;

/** Before any trade of a crypto asset: the lower bound where there is none. Epoch ms. */
const BEGINNING_MS = 0;
/** The year 9999, the last that has four digits: later bounds mean the same. Epoch ms. */
const END_MS = Date.UTC(9999, 0, 1);

/**
 * Stored candles at every interval. Times are epoch ms, results ascend by time. A candle is `closed` when its bucket
 * ends at or before `closedBefore`: by default the end of the symbol's newest stored minute.
 * Every method throws HistoryUnavailable.
 */
export class CandleHistory {
  constructor(
    readonly database: Database,
    readonly tracer: Tracer = noTracer,
  ) {}

  /** The latest `limit` candles with openTime < beforeMs. */
  async before(
    symbol: string,
    interval: Interval,
    beforeMs: number,
    limit: number,
    closedBefore?: number,
  ): Promise<Candle[]> {
    const end = alignUp(interval, beforeMs);
    // Where minutes follow each other without holes a window of `limit` buckets has them all, and spares the planner the rest.
    const start = Math.max(BEGINNING_MS, bucketBack(interval, end, limit));
    const near = await this.#candles('before', symbol, interval, [start, end, limit], closedBefore);
    if (near.length >= limit || start === BEGINNING_MS) return near;
    return await this.#candles('before', symbol, interval, [BEGINNING_MS, end, limit], closedBefore);
  }

  /** The first `limit` candles with fromMs <= openTime < toMs. */
  async range(
    symbol: string,
    interval: Interval,
    fromMs: number,
    toMs: number,
    limit: number,
    closedBefore?: number,
  ): Promise<Candle[]> {
    const from = alignUp(interval, fromMs);
    return await this.#candles('range', symbol, interval, [from, alignUp(interval, toMs), limit], closedBefore);
  }

  /**
   * All candles with openTime < beforeMs that closed or changed after `seq`; null when they are more than `limit`.
   * One that ends after the newest minute which `seq` knows of closed later, even where it has no later rows: an outage
   * may have cut it short.
   * `horizonMs` is how far back a correction may reach: it bounds what has to be looked at.
   */
  async since(
    symbol: string,
    interval: Interval,
    seq: number,
    beforeMs: number,
    { limit, horizonMs, closedBefore }: { limit: number; horizonMs: number; closedBefore?: number },
  ): Promise<Candle[] | null> {
    const from = bucketStart(interval, Math.max(BEGINNING_MS, seqMinute(seq) - horizonMs));
    const end = alignUp(interval, beforeMs);
    const later = bucketStart(interval, within(seqMinute(seq) + MINUTE_MS));
    const candles = await this.#candles('since', symbol, interval, [from, end, limit + 1, seq, later], closedBefore);
    return candles.length > limit ? null : candles;
  }

  /** Gaps that touch [fromMs, toMs), by seq. */
  async gaps(symbol: string, fromMs: number, toMs: number): Promise<Gap[]> {
    return await this.#gaps(GAPS_BETWEEN, symbol, [timeText(within(fromMs)), timeText(within(toMs))]);
  }

  /** Gaps with a seq above `seq`, by seq. */
  async gapsSince(symbol: string, seq: number): Promise<Gap[]> {
    return await this.#gaps(GAPS_SINCE, symbol, [seq]);
  }

  async #candles(
    which: keyof Statements,
    symbol: string,
    interval: Interval,
    bounds: readonly [startMs: number, endMs: number, limit: number, seq?: number, laterMs?: number],
    closedBefore: number | undefined,
  ): Promise<Candle[]> {
    const statement = STATEMENTS[interval][which];
    const [startMs, endMs, limit, seq, laterMs] = bounds;
    const since = seq === undefined || laterMs === undefined ? [] : [seq, timeText(laterMs)];
    const [rows, closedUntil] = await this.#ask(`candles ${which}`, interval, async (sql) => {
      const parameters = [symbol, timeText(startMs), timeText(endMs), limit, ...since];
      const [result, newest] = await Promise.all([
        sql.unsafe(statement, parameters, { prepare: true }),
        closedBefore === undefined ? sql.unsafe<{ newest: string | null }[]>(NEWEST, [symbol], { prepare: true }) : [],
      ]);
      return [parseRows<CandleRow>(result), closedBefore ?? newestEnd(newest[0]?.newest)] as const;
    });
    return rows.map((row) => toCandle(symbol, interval, row, bucketEnd(interval, row[0]) <= closedUntil));
  }

  async #gaps(statement: string, symbol: string, bounds: readonly (string | number)[]): Promise<Gap[]> {
    const result = await this.#ask(
      'gaps',
      null,
      async (sql) => await sql.unsafe(statement, [symbol, ...bounds], { prepare: true }),
    );
    return parseRows<GapRow>(result).map((row) => toGap(symbol, row));
  }

  #ask<T>(query: string, interval: Interval | null, work: (sql: Sql) => Promise<T>): Promise<T> {
    const attributes = { 'db.system.name': 'postgresql', ...(interval && { 'candlecast.interval': interval }) };
    return this.tracer.span(`history ${query}`, { kind: 'client', attributes }, async () => {
      try {
        return await this.database.run(work);
      } catch (error) {
        throw new HistoryUnavailable(error);
      }
    });
  }
}

function newestEnd(newest: string | null | undefined): number {
  return newest === null || newest === undefined ? Number.NEGATIVE_INFINITY : Number(newest) + MINUTE_MS;
}

function within(anyMs: number): number {
  return Math.min(Math.max(anyMs, BEGINNING_MS), END_MS);
}

/** The first bucket that opens at or after a time: openTime < x and openTime < alignUp(x) are the same candles. */
function alignUp(interval: Interval, anyMs: number): number {
  const timeMs = within(anyMs);
  const start = bucketStart(interval, timeMs);
  return start === timeMs ? start : bucketEnd(interval, start);
}
