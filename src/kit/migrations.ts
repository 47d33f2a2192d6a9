import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { UserError } from './errors.js';
import { splitStatements } from './sql-statements.js';

/** One numbered file: `0001_tables.sql`. */
export interface Migration {
  readonly version: number;
  readonly name: string;
  /** SHA-256 of the file, hex. */
  readonly checksum: string;
  readonly statements: readonly string[];
}

/** All migrations of one directory, in order. */
export interface MigrationSet {
  /** The directory's name: `timescale`, `postgres`. */
  readonly name: string;
  readonly migrations: readonly Migration[];
}

/** A row of a database's journal of what it was migrated with. */
export type Applied = Pick<Migration, 'version' | 'name' | 'checksum'>;

const FILE_NAME = /^(\d{4})_([\w-]+)\.sql$/;

/**
 * Reads the numbered files of a directory.
 * @throws UserError at a misnamed file or a hole in the numbers.
 */
export async function readMigrations(directory: string): Promise<MigrationSet> {
  const files = (await readdir(directory)).filter((file) => file.endsWith('.sql')).sort();
  const migrations = await Promise.all(files.map((file) => readMigration(directory, file)));
  for (const [index, { version, name }] of migrations.entries()) {
    if (version !== index + 1)
      throw new UserError(`${directory}: migration ${name} is number ${version}, expected ${index + 1}`);
  }
  return { name: basename(directory), migrations };
}

async function readMigration(directory: string, file: string): Promise<Migration> {
  const [, version, name] = FILE_NAME.exec(file) ?? [];
  if (version === undefined || name === undefined)
    throw new UserError(`${join(directory, file)}: a migration is named like 0001_tables.sql`);
  const text = await readFile(join(directory, file), 'utf8');
  // A checkout on Windows may have other line ends.
  const normal = text.replaceAll('\r\n', '\n');
  const checksum = createHash('sha256').update(normal).digest('hex');
  return { version: Number(version), name, checksum, statements: splitStatements(normal) };
}

/** What is to be applied yet, in order. @throws UserError when what was applied is not what we would apply. */
export function pendingMigrations(set: MigrationSet, applied: readonly Applied[]): Migration[] {
  check(applied, set);
  const done = new Set(applied.map(({ version }) => version));
  return set.migrations.filter(({ version }) => !done.has(version));
}

function check(applied: readonly Applied[], set: MigrationSet): void {
  for (const { version, name, checksum } of applied) {
    const known = set.migrations.find((migration) => migration.version === version);
    if (known === undefined) {
      throw new UserError(
        `the database has a newer schema (${set.name} ${version}: ${name}) than this version of candlecast knows (${set.migrations.length}): run the newer version, or use another database`,
      );
    }
    if (known.checksum !== checksum) {
      throw new UserError(
        `migration ${set.name}/${fileName(known)} is not what this database was made with (checksum ${checksum.slice(0, 12)}…, now ${known.checksum.slice(0, 12)}…): restore the file; changes belong in a new migration`,
      );
    }
  }
}

/** `0002_hypertable` */
export function fileName(migration: Migration): string {
  return `${String(migration.version).padStart(4, '0')}_${migration.name}`;
}
