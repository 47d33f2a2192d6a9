import { epochMs } from './candle-sql.js';
import type { Sql } from './database.js';

export interface SymbolEntry {
  readonly symbol: string;
  /** Name of the feed that makes it. */
  readonly source: string;
  readonly synthetic: boolean;
}

/** With the open times (epoch ms) of its first and last stored minute; null while there is none. */
export interface StoredSymbol extends SymbolEntry {
  readonly firstTime: number | null;
  readonly lastTime: number | null;
}

const REGISTER = `
  INSERT INTO symbols (symbol, source, synthetic)
  SELECT s ->> 0, s ->> 1, (s ->> 2)::boolean FROM json_array_elements($1::text::json) s
  ON CONFLICT (symbol) DO UPDATE SET source = excluded.source, synthetic = excluded.synthetic`;

/** Makes symbols known, or tells where known ones come from now. */
export async function registerSymbols(sql: Sql, symbols: readonly SymbolEntry[]): Promise<void> {
  const unique = new Map(symbols.map((entry) => [entry.symbol, entry]));
  const rows = [...unique.values()].map(({ symbol, source, synthetic }) => [symbol, source, synthetic]);
  await sql.unsafe(REGISTER, [JSON.stringify(rows)], { prepare: true });
}

/** The ends come from the primary key, one look-up each. */
const LIST = `
  SELECT s.symbol, s.source, s.synthetic,
    (SELECT ${epochMs('o."timestamp"')} FROM ohlcv o WHERE o.symbol = s.symbol ORDER BY o."timestamp" LIMIT 1) AS first,
    (SELECT ${epochMs('o."timestamp"')} FROM ohlcv o WHERE o.symbol = s.symbol ORDER BY o."timestamp" DESC LIMIT 1) AS last
  FROM symbols s ORDER BY s.symbol`;

/** All known symbols by name. */
export async function listSymbols(sql: Sql): Promise<StoredSymbol[]> {
  const rows = await sql.unsafe<
    { symbol: string; source: string; synthetic: boolean; first: string | null; last: string | null }[]
  >(LIST, [], { prepare: true });
  return rows.map(({ symbol, source, synthetic, first, last }) => ({
    symbol,
    source,
    synthetic,
    firstTime: first === null ? null : Number(first),
    lastTime: last === null ? null : Number(last),
  }));
}

/** A skip scan over the primary key. */
const UNREGISTERED = `
  WITH RECURSIVE stored AS (
    (SELECT symbol FROM ohlcv ORDER BY symbol LIMIT 1)
    UNION ALL
    SELECT (SELECT o.symbol FROM ohlcv o WHERE o.symbol > stored.symbol ORDER BY o.symbol LIMIT 1)
    FROM stored WHERE stored.symbol IS NOT NULL
  )
  SELECT symbol FROM stored
  WHERE symbol IS NOT NULL AND NOT EXISTS (SELECT 1 FROM symbols s WHERE s.symbol = stored.symbol)`;

/**
 * Registers what has candles but was not registered before its process died; a replica leaves that to who writes. `source`: the feed
 * that may bring symbols which are not known at its start.
 */
export async function registerStored(sql: Sql, source: string): Promise<void> {
  const rows = await sql.unsafe<{ symbol: string }[]>(UNREGISTERED, []);
  if (rows.length === 0 || (await isReadOnly(sql))) return;
  const entries = rows.map(({ symbol }) => ({ symbol, source, synthetic: false }));
  await registerSymbols(sql, entries);
}

async function isReadOnly(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ value: string }[]>`SELECT current_setting('transaction_read_only') AS value`;
  return row?.value === 'on';
}
