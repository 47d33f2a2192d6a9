import type { ClickHouseClient } from '@clickhouse/client';
import type { Log } from '../kit/log.js';
import { type Applied, fileName, pendingMigrations, readMigrations } from '../kit/migrations.js';

const JOURNAL = `CREATE TABLE IF NOT EXISTS schema_migrations (
  migration_set String,
  version UInt32,
  name String,
  checksum String,
  applied_at DateTime DEFAULT now()
) ENGINE = ReplacingMergeTree ORDER BY (migration_set, version)`;
const APPLIED = `SELECT version, name, checksum FROM schema_migrations FINAL WHERE migration_set = {set:String} ORDER BY version`;

/**
 * Brings ClickHouse up to date: forward only, one statement at a time. There are no locks: nodes that start together run the same
 * statements, which bear being run again.
 * @returns how many migrations were applied.
 * @throws UserError when the database is newer than this program, or was migrated by other files.
 */
export async function migrateClickHouse(client: ClickHouseClient, directory: string, log: Log): Promise<number> {
  const set = await readMigrations(directory);
  await client.command({ query: JOURNAL });
  const answer = await client.query({ query: APPLIED, query_params: { set: set.name }, format: 'JSONEachRow' });
  const pending = pendingMigrations(set, await answer.json<Applied>());
  for (const migration of pending) {
    for (const query of migration.statements) await client.command({ query });
    const { version, name, checksum } = migration;
    const values = [{ migration_set: set.name, version, name, checksum }];
    await client.insert({ table: 'schema_migrations', values, format: 'JSONEachRow' });
    log.info({ set: set.name, migration: fileName(migration) }, 'migrated');
  }
  return pending.length;
}
