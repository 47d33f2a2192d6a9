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
