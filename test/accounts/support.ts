import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { silentLog } from '../../src/kit/log.js';
import { migrate } from '../../src/store/migrate.js';
import { openPool, type Pool } from '../../src/store/relational.js';
import { realPostgres, type TestDatabase, testDatabase } from '../support/database.js';

const MIGRATIONS = join(fileURLToPath(new URL('../..', import.meta.url)), 'sql', 'postgres');

export interface AccountsDatabase {
  readonly pool: Pool;
  readonly database: TestDatabase;
  stop(): Promise<void>;
}

/** A database with the tables of accounts, on either engine. */
export async function accountsDatabase(kind: 'embedded' | 'real'): Promise<AccountsDatabase> {
  const database = await (kind === 'real' ? realPostgres() : testDatabase());
  const sql = database.connect({ max: 1 });
  await migrate({ sql, directory: MIGRATIONS, log: silentLog });
  await sql.end();
  const pool = openPool({ url: database.url, log: silentLog, deadlineMs: 30_000 });
  return {
    pool,
    database,
    async stop() {
      await pool.close();
      await database.stop();
    },
  };
}
