import type { Sql } from 'postgres';
import { UserError } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import {
  type Applied,
  fileName,
  type Migration,
  type MigrationSet,
  pendingMigrations,
  readMigrations,
} from '../kit/migrations.js';

export interface MigrateOptions {
  readonly sql: Sql;
  /** Holds the numbered files; its name is the name of the set. */
  readonly directory: string;
  readonly log: Log;
  /** Before each migration that is applied. */
  readonly onProgress?: (progress: MigrationProgress) => void;
  /** The last version to apply; default all. */
  readonly upTo?: number;
}

export interface MigrationProgress {
  readonly set: string;
  /** `0002_hypertable`. */
  readonly migration: string;
  /** 1 … total, of those to be applied now. */
  readonly index: number;
  readonly total: number;
}

/**
 * Any constant: no two processes migrate one database at once. On the embedded engine the lock is always granted: there nodes that start
 * together run the same statements, which bear being run again.
 */
const MIGRATION_LOCK = 4_741_220_053;

const JOURNAL = `CREATE TABLE IF NOT EXISTS schema_migrations (
  migration_set TEXT NOT NULL,
  version INTEGER NOT NULL,
  name TEXT NOT NULL,
  checksum TEXT NOT NULL,
  applied_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (migration_set, version)
)`;

/**
 * Brings a database up to date: forward only, one statement at a time (TimescaleDB has statements that work in no
 * transaction), so every statement must bear being run again after a failure half-way.
 * @returns how many migrations were applied.
 * @throws UserError when the database is newer than this program, was migrated by other files, or lacks TimescaleDB.
 */
export async function migrate(options: MigrateOptions): Promise<number> {
  const set = await readMigrations(options.directory);
  const session = await options.sql.reserve();
  try {
    await session`SELECT pg_advisory_lock(${MIGRATION_LOCK}::bigint)`;
    try {
      return await apply(session, set, options);
    } finally {
      await session`SELECT pg_advisory_unlock(${MIGRATION_LOCK}::bigint)`;
    }
  } finally {
    session.release();
  }
}

async function apply(session: Sql, set: MigrationSet, options: MigrateOptions): Promise<number> {
  await session`SET client_min_messages TO error`;
  await session.unsafe(JOURNAL);
  const applied = await session<Applied[]>`
    SELECT version, name, checksum FROM schema_migrations WHERE migration_set = ${set.name} ORDER BY version`;
  const pending = pendingMigrations(set, applied).filter(({ version }) => version <= (options.upTo ?? version));
  for (const [index, migration] of pending.entries()) {
    options.onProgress?.({ set: set.name, migration: fileName(migration), index: index + 1, total: pending.length });
    await applyOne(session, set, migration);
    options.log.info({ set: set.name, migration: fileName(migration) }, 'migrated');
  }
  await session`RESET client_min_messages`;
  return pending.length;
}

async function applyOne(session: Sql, set: MigrationSet, migration: Migration): Promise<void> {
  for (const statement of migration.statements) {
    await session.unsafe(statement).catch((cause: unknown) => {
      throw explain(cause, statement, set, migration);
    });
  }
  await session`
    INSERT INTO schema_migrations (migration_set, version, name, checksum)
    VALUES (${set.name}, ${migration.version}, ${migration.name}, ${migration.checksum})
    ON CONFLICT (migration_set, version) DO NOTHING`;
}

/** Undefined file, library or extension: the server has no TimescaleDB, or has it not preloaded. */
const NO_EXTENSION: ReadonlySet<string> = new Set(['58P01', '0A000', '55000', 'F0000']);

function explain(cause: unknown, statement: string, set: MigrationSet, migration: Migration): Error {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  if (/^CREATE EXTENSION/i.test(statement) && NO_EXTENSION.has(code)) {
    const extension = /EXISTS\s+(\w+)/i.exec(statement)?.[1];
    return new UserError(
      `this PostgreSQL server has no ${extension} extension (${reason}): use a TimescaleDB server, or leave TIMESCALE_URL and DATABASE_URL unset for the embedded one`,
      { cause },
    );
  }
  const first = statement.split('\n', 1)[0] ?? '';
  return new Error(`migration ${set.name}/${fileName(migration)} failed at "${first}": ${reason}`, { cause });
}
