import type { Sql } from './database.js';

const WATERMARK = `
  SELECT coalesce(max(_timescaledb_functions.cagg_watermark(mat_hypertable_id)), 0)::text AS micros
  FROM _timescaledb_catalog.continuous_agg`;

/**
 * Epoch ms below which some continuous aggregate answers from what is materialised instead of from the table.
 * Timescale counts in microseconds since the Unix epoch here; the smallest value means that nothing is materialised.
 */
export async function aggregateWatermark(sql: Sql): Promise<number> {
  const [row] = await sql.unsafe<{ micros: string }[]>(WATERMARK, [], { prepare: true });
  return Math.max(0, Math.floor(Number(row?.micros ?? 0) / 1000));
}
