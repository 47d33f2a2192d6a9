import type { Sql } from 'postgres';
import { readMigrations } from '../kit/migrations.js';

/** How far a database has come with one set of migrations. */
export interface SchemaState {
  readonly set: string;
  /** The newest migration it has; 0 = none. */
  readonly version: number;
  /** The newest that this program knows. */
  readonly known: number;
  /** `changed`: it was migrated by other files than ours. */
  readonly state: 'up to date' | 'to be migrated' | 'newer than this program' | 'changed';
}

/** Reads only. @param directory of the numbered files; its name is the name of the set */
export async function readSchemaState(sql: Sql, directory: string): Promise<SchemaState> {
  const { name: set, migrations } = await readMigrations(directory);
  const applied = await readApplied(sql, set);
  const version = applied.at(-1)?.version ?? 0;
  const known = migrations.length;
  const isChanged = applied.some(
    (row) => row.version <= known && migrations[row.version - 1]?.checksum !== row.checksum,
  );
  if (version > known) return { set, version, known, state: 'newer than this program' };
  if (isChanged) return { set, version, known, state: 'changed' };
  return { set, version, known, state: applied.length < known ? 'to be migrated' : 'up to date' };
}

async function readApplied(sql: Sql, set: string): Promise<readonly { version: number; checksum: string }[]> {
  const [journal] = await sql<{ there: boolean }[]>`SELECT to_regclass('schema_migrations') IS NOT NULL AS there`;
  if (journal?.there !== true) return [];
  return sql`SELECT version, checksum FROM schema_migrations WHERE migration_set = ${set} ORDER BY version`;
}
