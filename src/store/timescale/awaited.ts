import type { Gap } from '../../market/candle.js';
import { MINUTE_MS } from '../../market/interval.js';
import type { CandleRecord, SpoolRecord } from '../spool/record.js';
import { toBatch } from './batch.js';
import { epochMs, GAP_AS_JSON, type GapRow, parseRows, toGap } from './candle-sql.js';
import type { Sql } from './database.js';
import type { Hole } from './holes.js';
import { INSERT_ROWS, REPLACE_ROW, timeFromMs, toArrays } from './upsert.js';

/*
 * Gaps that await what a superseded writer has in its spool. The fence refuses its rows, for nobody may write beside the one
 * writer. These minutes are the exception that the one writer itself has made: it has declared that it does not know them, is
 * past them, and from whose epoch they may come; and nothing that is stored is replaced but by a later revision of the same epoch.
 */

const AWAIT = 'UPDATE gaps SET awaits = $4::bigint WHERE symbol = $1 AND seq = $2::bigint AND epoch = $3::bigint';
const EPOCHS = 'SELECT DISTINCT awaits::text AS epoch FROM gaps WHERE awaits IS NOT NULL';
const OF_SYMBOLS = `SELECT json_agg(json_build_array(symbol, ${GAP_AS_JSON}) ORDER BY symbol, seq)::text AS rows
  FROM gaps WHERE awaits IS NOT NULL AND symbol = ANY ($1::text::text[])`;
const END = `UPDATE gaps SET from_time = to_time, seq = $3::bigint, epoch = $4::bigint, reason = $5, awaits = NULL
  WHERE symbol = $1 AND seq = $2::bigint AND awaits IS NOT NULL`;
const ENDED = 'the candles that were missing up to here have come';

const INSERT = `
  WITH written AS (
    ${INSERT_ROWS}
    WHERE EXISTS (SELECT FROM gaps g WHERE g.symbol = r.symbol AND g.awaits = r.epoch
      AND g.from_time <= ${timeFromMs('r."timestamp"')} AND g.to_time >= ${timeFromMs(`(r."timestamp" + ${MINUTE_MS})`)})
    ON CONFLICT (symbol, "timestamp") DO UPDATE ${REPLACE_ROW}
      WHERE ohlcv.epoch = excluded.epoch AND ohlcv.revision < excluded.revision
    RETURNING "timestamp"
  )
  SELECT count(*)::int AS count, ${epochMs('min("timestamp")')}::text AS first, ${epochMs('max("timestamp")')}::text AS last FROM written`;

const INSERT_GAP = `
  INSERT INTO gaps (symbol, from_time, to_time, reason, seq, epoch)
  SELECT $1::text, ${timeFromMs('$2::bigint')}, ${timeFromMs('$3::bigint')}, $4::text, $5::bigint, $6::bigint
  WHERE EXISTS (SELECT FROM gaps g WHERE g.symbol = $1 AND g.awaits = $6::bigint
    AND g.from_time < ${timeFromMs('$3::bigint')} AND g.to_time > ${timeFromMs('$2::bigint')})
  ON CONFLICT (symbol, seq) DO NOTHING`;

/** From now on candles that `writer` closed inside the gap, which `epoch` wrote, may come in. */
export async function awaitFrom(sql: Sql, gap: Gap, epoch: number, writer: number): Promise<void> {
  await sql.unsafe(AWAIT, [gap.symbol, gap.seq, epoch, writer]);
}

/** Whose candles are awaited. */
export async function awaitedEpochs(sql: Sql): Promise<ReadonlySet<number>> {
  const rows = await sql.unsafe<{ epoch: string }[]>(EPOCHS, [], { prepare: true });
  return new Set(rows.map(({ epoch }) => Number(epoch)));
}

/**
 * Puts in what is awaited of these records, and leaves out the rest; what is there already changes nothing.
 * @returns how many candles it was, and the stretch that they are in; null where nothing changed.
 */
export async function putAwaited(
  sql: Sql,
  records: readonly SpoolRecord[],
): Promise<(Hole & { readonly candles: number }) | null> {
  const { candles, gaps } = toBatch(records);
  // First, so that a minute which they make doubtful is never without them.
  for (const { gap, epoch } of gaps)
    await sql.unsafe(INSERT_GAP, [gap.symbol, gap.from, gap.to, gap.reason, gap.seq, epoch]);
  return candles.length === 0 ? null : await putCandles(sql, candles);
}

async function putCandles(sql: Sql, candles: readonly CandleRecord[]) {
  const [row] = await sql.unsafe<{ count: number; first: string | null; last: string | null }[]>(
    INSERT,
    toArrays(candles),
  );
  if (row === undefined || row.first === null || row.last === null) return null;
  return { from: Number(row.first), to: Number(row.last) + MINUTE_MS, candles: row.count };
}

/** Gaps of these symbols that await something. */
export async function awaitingGaps(sql: Sql, symbols: readonly string[]): Promise<Gap[]> {
  const array = `{${symbols.map((symbol) => JSON.stringify(symbol)).join(',')}}`;
  const rows = parseRows<[string, GapRow]>(await sql.unsafe(OF_SYMBOLS, [array]));
  return rows.map(([symbol, row]) => toGap(symbol, row));
}

/**
 * What it awaited has come: nothing is left of it but an empty stretch, at a position after everything, so that whoever was told
 * of the gap hears of this, and nobody's position is beyond that of the symbol.
 */
export async function endAwaiting(sql: Sql, gap: Gap, epoch: number, seq: number): Promise<void> {
  await sql.unsafe(END, [gap.symbol, gap.seq, seq, epoch, ENDED]);
}
