import { access, constants, mkdir, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../kit/errors.js';

/** A new database takes about 60 MB, and PostgreSQL stops for good when it cannot write its log. */
const FREE_BYTES_MIN = 200_000_000;

export interface DatabaseDirectory {
  /** Where PostgreSQL's files are. */
  readonly path: string;
  /** It has to be filled. */
  readonly fresh: boolean;
  /** To be called when it has been filled: before, the next start begins again from nothing. */
  filled(): Promise<void>;
}

export function databasePath(dataDir: string): string {
  return join(dataDir, 'timescale');
}

/** @throws UserError when the directory cannot be written or its disk is full. */
export async function makeDataDir(dataDir: string): Promise<void> {
  await mkdir(dataDir, { recursive: true })
    .then(() => access(dataDir, constants.W_OK | constants.X_OK))
    .catch((cause: unknown) => {
      throw unwritable(dataDir, cause);
    });
  const { bavail, bsize } = await statfs(dataDir);
  if (bavail * bsize < FREE_BYTES_MIN) {
    throw new UserError(
      `the disk of ${dataDir} has only ${Math.floor((bavail * bsize) / 1e6)} MB free: make room (${FREE_BYTES_MIN / 1e6} MB at least), or choose another DATA_DIR`,
    );
  }
}

/** Prepares the database's own directory; one whose filling was interrupted is emptied. Call with the lock held. */
export async function prepareDatabaseDirectory(dataDir: string): Promise<DatabaseDirectory> {
  const path = databasePath(dataDir);
  const marker = `${path}.filling`;
  const interrupted = await exists(marker);
  if (interrupted) await rm(path, { recursive: true, force: true });
  const fresh = interrupted || !(await exists(join(path, 'PG_VERSION')));
  if (fresh) await writeFile(marker, '');
  return { path, fresh, filled: () => rm(marker, { force: true }) };
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function unwritable(dataDir: string, cause: unknown): UserError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new UserError(
    `${dataDir} cannot be written (${reason}): give this user the right to, or choose another DATA_DIR`,
    {
      cause,
    },
  );
}
