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

/** https://www.postgresql.org/docs/current/errcodes-appendix.html: a replica, or a session that may only read. */
const READ_ONLY = '25006';

/**
 * Brings a database up to date: forward only, one statement at a time (TimescaleDB has statements that work in no
 * transaction), so every statement must bear being run again after a failure half-way. One that is up to date is only read: it may be a
 * replica.
 * @returns how many migrations were applied.
 * @throws UserError when the database is newer than this program, was migrated by other files, only reads, or lacks TimescaleDB.
 */
export async function migrate(options: MigrateOptions): Promise<number> {
  const set = await readMigrations(options.directory);
  const session = await options.sql.reserve();
  try {
    if (await isUpToDate(session, set, options)) return 0;
    await session`SELECT pg_advisory_lock(${MIGRATION_LOCK}::bigint)`;
    try {
      return await apply(session, set, options);
    } catch (cause) {
      throw readOnly(cause, set) ?? cause;
    } finally {
      await session`SELECT pg_advisory_unlock(${MIGRATION_LOCK}::bigint)`;
    }
  } finally {
    session.release();
  }
}

async function isUpToDate(session: Sql, set: MigrationSet, options: MigrateOptions): Promise<boolean> {
  const [journal] = await session<{ there: boolean }[]>`SELECT to_regclass('schema_migrations') IS NOT NULL AS there`;
  return journal?.there === true && (await readPending(session, set, options)).length === 0;
}

async function readPending(session: Sql, set: MigrationSet, { upTo }: MigrateOptions): Promise<Migration[]> {
  const applied = await session<Applied[]>`
    SELECT version, name, checksum FROM schema_migrations WHERE migration_set = ${set.name} ORDER BY version`;
  return pendingMigrations(set, applied).filter(({ version }) => version <= (upTo ?? version));
}

/** The deepest cause counts: a failed statement is named around it. */
function readOnly(thrown: unknown, set: MigrationSet): UserError | null {
  const cause = thrown instanceof Error && thrown.cause !== undefined ? thrown.cause : thrown;
  if (!(cause instanceof Error && 'code' in cause && cause.code === READ_ONLY)) return null;
  return new UserError(
    `the database is to be migrated (${set.name}), and may only be read: a replica gets this from its primary, where "candlecast db migrate" or the start of any node that writes brings it`,
    { cause },
  );
}

async function apply(session: Sql, set: MigrationSet, options: MigrateOptions): Promise<number> {
  await session`SET client_min_messages TO error`;
  await session.unsafe(JOURNAL);
  const pending = await readPending(session, set, options);
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
