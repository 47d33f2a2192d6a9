import type { Sql } from './database.js';

/** SQLSTATE of `require_writers`: an epoch is not a current writer's. */
export const NOT_A_WRITER = 'WF001';

const TAKE = 'SELECT epoch, first_epoch FROM take_partition($1, $2)';
const READ = 'SELECT epoch, first_epoch FROM writer_epochs';
const ANEW = `WITH nobody AS (DELETE FROM writers)
  UPDATE writer_epochs w SET epoch = next.epoch, first_epoch = next.epoch
  FROM (SELECT greatest(epoch + 1, floor(extract(epoch FROM clock_timestamp()))::bigint) AS epoch FROM writer_epochs) AS next
  RETURNING w.epoch, w.first_epoch`;

export interface WriterEpoch {
  readonly epoch: number;
  /** Positions of an older epoch belong to a database that was wiped. */
  readonly first: number;
}

/**
 * Makes `node` the one writer of a partition, under an epoch that nobody had before. One statement, which waits for rows
 * of the old writer that are being written: when it returns, none can appear any more. A write whose client is frozen or
 * cut off is ended after a quarter of a second. `all` is every symbol: it and the other partitions exclude each other.
 * @throws when a write keeps the partition for five seconds; nothing has changed then.
 */
export async function takePartition(sql: Sql, partition: string, node: string): Promise<WriterEpoch> {
  return toEpoch(await sql.unsafe<EpochRow[]>(TAKE, [partition, node]));
}

/**
 * Tells the database that it was restored from a backup: from now on every position that was given out before, also after the
 * backup was made, is known to be another's, and nothing that was on its way into it comes in. No server may run.
 * @returns the epoch with which it begins anew, higher than any before: there are fewer takings than seconds.
 */
export async function beginAnew(sql: Sql): Promise<number> {
  return toEpoch(await sql.unsafe<EpochRow[]>(ANEW)).first;
}

/** The epoch given out last, to any partition. */
export async function readEpochs(sql: Sql): Promise<WriterEpoch> {
  return toEpoch(await sql.unsafe<EpochRow[]>(READ));
}

interface EpochRow {
  readonly epoch: string;
  readonly first_epoch: string;
}

function toEpoch([row]: readonly EpochRow[]): WriterEpoch {
  if (row === undefined) throw new Error('the database has no epoch counter: it is not migrated');
  return { epoch: Number(row.epoch), first: Number(row.first_epoch) };
}
