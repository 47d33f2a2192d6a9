import { UserError } from '../kit/errors.js';
import { othersConnected } from '../store/timescale/holes.js';
import { takePartition } from '../store/timescale/writers.js';
import type { Around } from './around.js';
import { connect } from './database.js';
import { explainDatabaseError } from './database-error.js';
import { lockDataDirectory, openReadable, openStore, type Store } from './store.js';

/** The store of a command that writes candles, and the epoch under which it does. */
export interface SoleWriter {
  readonly store: Store;
  readonly epoch: number;
  /** Everything is in the table, and was ours to write. @throws UserError when another writer has taken over */
  settled(): Promise<void>;
}

/**
 * Makes this process the one writer of all symbols. A server on the same data directory or database makes it refuse, for it
 * would lose its place. @param node what the database calls us @throws UserError
 */
export async function openSoleWriter(around: Around, node: string): Promise<SoleWriter> {
  if (around.config.redisUrl !== null)
    throw new UserError(
      'REDIS_URL is set: the nodes of a cluster write to this database; stop them, and run this without it',
    );
  await lockDataDirectory(around);
  const url = around.config.timescaleUrl;
  if (url !== null) await refuseBesideOthers(url);
  let fenced = false;
  const read = await openReadable(around);
  const store = await openStore(around, read, () => {
    fenced = true;
  });
  const { epoch } = await read.readers.run((sql) => takePartition(sql, 'all', node));
  return {
    store,
    epoch,
    settled: async () => {
      await store.writer.drained();
      if (fenced)
        throw new UserError(
          'a server has taken over the database meanwhile, and what came after that was not written: stop it, and run this again',
        );
    },
  };
}

async function refuseBesideOthers(url: string): Promise<void> {
  const sql = connect(url);
  try {
    if (await othersConnected(sql))
      throw new UserError(
        'a server is connected to this database, and would lose its place as the writer: stop it first',
      );
  } catch (error) {
    throw explainDatabaseError(error, url);
  } finally {
    await sql.end({ timeout: 0 });
  }
}
