import type { Sql } from './database.js';

const NEXT = 'UPDATE writer_epochs SET epoch = epoch + 1 RETURNING epoch, first_epoch';

export interface WriterEpoch {
  readonly epoch: number;
  /** Positions of an older epoch belong to a database that was wiped. */
  readonly first: number;
}

/**
 * Takes a number no writer of this database has had. The counter begins at the database's creation in Unix seconds, so
 * that a database that was wiped does not give out old numbers again.
 */
export async function nextEpoch(sql: Sql): Promise<WriterEpoch> {
  const [row] = await sql.unsafe<{ epoch: string; first_epoch: string }[]>(NEXT);
  if (row === undefined) throw new Error('the database has no epoch counter: it is not migrated');
  return { epoch: Number(row.epoch), first: Number(row.first_epoch) };
}
