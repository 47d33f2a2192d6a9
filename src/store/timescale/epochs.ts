import type { Sql } from './database.js';

const NEXT = `
  INSERT INTO writer_epochs (epoch)
  SELECT coalesce(max(epoch) + 1, extract(epoch FROM clock_timestamp())::bigint) FROM writer_epochs
  RETURNING epoch`;

/**
 * Takes a number no writer of this database has had. The first of a database is its Unix time in seconds, so that a
 * database that was wiped does not give out old numbers again. Two writers that ask at once: one fails on the key
 * (23505) and may ask again.
 */
export async function nextEpoch(sql: Sql): Promise<number> {
  const [row] = await sql.unsafe<{ epoch: string }[]>(NEXT);
  if (row === undefined) throw new Error('the database gave no epoch');
  return Number(row.epoch);
}
