import type { Gap, StoredBar } from '../../market/candle.js';
import { INTERVAL_MS, INTERVALS, type Interval, MINUTE_MS } from '../../market/interval.js';
import { epochMs, GAP_AS_JSON, type GapRow, parseRows, timeText, toGap } from './candle-sql.js';
import type { Database, Sql } from './database.js';
import { HistoryUnavailable } from './history.js';
import { LADDER } from './ladder.js';

type BarRow = [
  openTime: number,
  open: string,
  high: string,
  low: string,
  close: string,
  volume: string,
  trades: number,
  revision: number,
  seq: number,
  epoch: number,
];

/** Decimals as text, so that no digit passes through a float; they have their eight decimals from the table. */
const BAR_AS_JSON = `json_build_array(${epochMs('t')}, open::text, high::text, low::text, close::text, volume::text,
  coalesce(trade_count, 0), revision, seq, epoch)`;

/** The first candles of a stretch: what a replay needs of them, and no more. */
function barsStatement(interval: Interval): string {
  const { relation, time, rows } = LADDER[interval];
  const some = `SELECT ${time} AS t, open, high, low, close, volume, trade_count, revision, seq, epoch FROM ${relation}
    WHERE symbol = $1 AND ${time} >= $2::timestamptz AND ${time} < $3::timestamptz ORDER BY ${time}
    LIMIT ${rows === 1 ? '$4::bigint' : `($4::bigint + 1) * ${rows}`}`;
  const bars = rows === 1 ? some : `${foldBars(interval, some)} ORDER BY t LIMIT $4::bigint`;
  return `SELECT string_agg(${BAR_AS_JSON}::text, E'\\n' ORDER BY t) AS rows FROM (${bars}) c`;
}

function foldBars(interval: Interval, rows: string): string {
  const width = `interval '${(INTERVAL_MS[interval] ?? 0) / 1000} seconds'`;
  return `SELECT time_bucket(${width}, t, timestamptz 'epoch') AS t, first(open, t) AS open, max(high) AS high,
    min(low) AS low, last(close, t) AS close, sum(volume) AS volume, sum(trade_count)::bigint AS trade_count,
    sum(revision)::bigint AS revision, max(seq) AS seq, max(epoch) AS epoch
  FROM (${rows}) b GROUP BY 1`;
}

const BARS = Object.fromEntries(INTERVALS.map((interval) => [interval, barsStatement(interval)])) as Readonly<
  Record<Interval, string>
>;

const GAPS_AFTER = `SELECT json_agg(${GAP_AS_JSON} ORDER BY to_time, seq)::text AS rows FROM (
  SELECT * FROM gaps WHERE symbol = $1 AND (to_time, seq) > ($2::timestamptz, $3::bigint)
  ORDER BY to_time, seq LIMIT $4::bigint) g`;

const MINUTES = 'FROM ohlcv WHERE symbol = $1';
const EXTENT = `SELECT
  (SELECT ${epochMs('"timestamp"')} ${MINUTES} ORDER BY "timestamp" LIMIT 1) AS first,
  (SELECT ${epochMs('"timestamp"')} ${MINUTES} ORDER BY "timestamp" DESC LIMIT 1) AS newest,
  (SELECT ${epochMs('max(to_time)')} FROM gaps WHERE symbol = $1) AS gap_end,
  ${epochMs('l.timestamp')} AS last, coalesce(l.epoch, (SELECT epoch ${MINUTES} ORDER BY "timestamp" LIMIT 1)) AS epoch
  FROM (SELECT) one LEFT JOIN LATERAL (
    SELECT "timestamp", epoch ${MINUTES} AND "timestamp" < $2::timestamptz ORDER BY "timestamp" DESC LIMIT 1) l ON true`;

interface ExtentRow {
  readonly first: string | null;
  readonly newest: string | null;
  readonly gap_end: string | null;
  readonly last: string | null;
  readonly epoch: string | null;
}

/**
 * Candles as replays read them: in small pages, each one statement of its own, so that a database with one backend for all has its turn
 * for others after milliseconds. Times are epoch ms. Every method throws HistoryUnavailable.
 */
export class ReplayReader {
  constructor(readonly database: Database) {}

  /** Where the symbol's minutes begin and end, and the last one before `beforeMs` with its writer's epoch. null: there are none. */
  async extent(
    symbol: string,
    beforeMs: number,
  ): Promise<{ start: number; end: number; last: number | null; epoch: number } | null> {
    const [row] = await this.#ask((sql) =>
      sql.unsafe<ExtentRow[]>(EXTENT, [symbol, timeText(beforeMs)], { prepare: true }),
    );
    if (row === undefined || row.first === null || row.newest === null) return null;
    const gapEnd = Math.floor(Number(row.gap_end ?? 0) / MINUTE_MS) * MINUTE_MS;
    return {
      start: Number(row.first),
      end: Math.max(Number(row.newest) + MINUTE_MS, gapEnd),
      last: row.last === null ? null : Number(row.last),
      epoch: Number(row.epoch ?? 0),
    };
  }

  /** The first `limit` candles with fromMs <= openTime < toMs; both are begins of a bucket. The last may still grow. */
  async bars(symbol: string, interval: Interval, fromMs: number, toMs: number, limit: number): Promise<BarPage> {
    const parameters = [symbol, timeText(fromMs), timeText(toMs), limit];
    const result = await this.#ask((sql) =>
      sql.unsafe<{ rows: string | null }[]>(BARS[interval], parameters, { prepare: true }),
    );
    return new BarPage(result[0]?.rows ?? '');
  }

  /** The first `limit` gaps that end after `afterMs`, or then with a seq above `afterSeq`; by end and seq. */
  async gapsAfter(symbol: string, afterMs: number, afterSeq: number, limit: number): Promise<Gap[]> {
    const parameters = [symbol, timeText(afterMs), afterSeq, limit];
    const result = await this.#ask((sql) => sql.unsafe(GAPS_AFTER, parameters, { prepare: true }));
    return parseRows<GapRow>(result).map((row) => toGap(symbol, row));
  }

  async #ask<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    try {
      return await this.database.run(work);
    } catch (error) {
      throw new HistoryUnavailable(error);
    }
  }
}

/**
 * Rows that stay text until they are asked for: of ten replays there are thousands at a time, and as objects they made every collection
 * of garbage wait for milliseconds, and what is live with it.
 */
export class BarPage implements Iterable<StoredBar> {
  readonly #lines: readonly string[];

  constructor(text: string) {
    this.#lines = text === '' ? [] : text.split('\n');
  }

  get length(): number {
    return this.#lines.length;
  }

  at(index: number): StoredBar | undefined {
    const line = this.#lines.at(index);
    return line === undefined ? undefined : readBar(line);
  }

  *[Symbol.iterator](): Iterator<StoredBar> {
    for (const line of this.#lines) yield readBar(line);
  }
}

function readBar(line: string): StoredBar {
  const [openTime, open, high, low, close, volume, trades, revision, seq, epoch] = JSON.parse(line) as BarRow;
  return { openTime, open, high, low, close, volume, trades, closed: true, revision, seq, epoch };
}
