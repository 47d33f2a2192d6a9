import { constants } from 'node:fs';
import { access, cp, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { OWN_SECRET_FILE } from '../../accounts/token-keys.js';
import { UserError } from '../../kit/errors.js';
import { copyDatabase } from '../../store/embedded/copy.js';
import { databasePath } from '../../store/embedded/database-directory.js';
import { migrateDatabase, openDatabase } from '../database.js';
import { reachDatabase } from '../reach-database.js';
import { beginDatabaseAnew } from '../restored.js';
import type { Ground } from './run.js';

/** What a DATA_DIR may not have where a backup is restored to. */
const IN_USE = ['timescale', 'spool', 'journal'];

/** `candlecast db backup DIR`: the embedded database, also of a server that runs. */
export async function backup(ground: Ground, directory: string): Promise<undefined> {
  const { config, clock, progress } = ground;
  requireEmbedded(ground, 'back it up with pg_dump');
  const from = databasePath(config.dataDir);
  if (!(await isDatabase(from))) throw new UserError(`${config.dataDir} has no database: set DATA_DIR to the server's`);
  const to = resolve(directory);
  if (await exists(to)) throw new UserError(`${to} exists already: name a directory that is to be made`);
  const draft = `${to}.partial`;
  await rm(draft, { recursive: true, force: true });
  try {
    await mkdir(draft, { recursive: true, mode: 0o700 });
    const url = await reachDatabase(ground, null);
    await progress.during('Copying the database', () => copyDatabase(url, from, databasePath(draft), clock));
    await copySecret(config.dataDir, draft);
    await syncAll(draft);
    await rename(draft, to);
    await syncAll(dirname(to), false);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw explained(error, to);
  }
  process.stdout.write(`${to} has everything that was stored. Restore it with: candlecast db restore ${directory}\n`);
}

/** `candlecast db restore DIR`: into a DATA_DIR that has no database. */
export async function restore(ground: Ground, directory: string): Promise<undefined> {
  const { config, clock, log, progress } = ground;
  requireEmbedded(ground, 'restore it with pg_restore, then run "candlecast db restored"');
  const { dataDir } = config;
  const from = databasePath(resolve(directory));
  if (!(await isDatabase(from)))
    throw new UserError(`${resolve(directory)} is no backup: it has no timescale/PG_VERSION`);
  for (const name of IN_USE)
    if (await exists(join(dataDir, name)))
      throw new UserError(
        `${dataDir} has a ${name} already: stop the server and move it away, or set DATA_DIR to another`,
      );
  // It takes its place when everything is done: what is interrupted leaves nothing that a server would take for whole.
  const draft = join(dataDir, 'restoring');
  await rm(draft, { recursive: true, force: true });
  try {
    await mkdir(draft, { mode: 0o700 });
    await progress.during('Copying the database', () =>
      cp(from, databasePath(draft), { recursive: true, mode: constants.COPYFILE_FICLONE }),
    );
    const database = await openDatabase({ url: null, dataDir: draft, clock, log, progress });
    try {
      for (const set of ['timescale', 'postgres'] as const) await migrateDatabase(database.url, log, progress, set);
      await beginDatabaseAnew(ground, database.url, database.url);
    } finally {
      await database.stop();
    }
    await copySecret(resolve(directory), dataDir);
    await syncAll(databasePath(draft));
    await rename(databasePath(draft), databasePath(dataDir));
    await syncAll(dataDir, false);
  } catch (error) {
    throw explained(error, dataDir);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  process.stdout.write(`Restored into ${dataDir}. Clients that resume are told, and begin with a snapshot.\n`);
}

/** `candlecast db restored`: what else is to be done when a server's database was restored by its own tools. */
export async function restored(ground: Ground): Promise<undefined> {
  const { config, log, progress } = ground;
  const timescale = await reachDatabase(ground, config.timescaleUrl);
  const relational = config.databaseUrl ?? timescale;
  await migrateDatabase(timescale, log, progress);
  await migrateDatabase(relational, log, progress, 'postgres');
  await beginDatabaseAnew(ground, timescale, relational);
  process.stdout.write('The database begins anew: clients that resume are told, and begin with a snapshot.\n');
}

function requireEmbedded({ config }: Ground, instead: string): void {
  if (config.timescaleUrl !== null)
    throw new UserError(`TIMESCALE_URL or DATABASE_URL names a server: ${instead} (docs/backup.md says how)`);
}

/** Access tokens of a server that was given no JWT_SECRET stay good. */
async function copySecret(from: string, to: string): Promise<void> {
  if (!(await exists(join(from, OWN_SECRET_FILE)))) return;
  await cp(join(from, OWN_SECRET_FILE), join(to, OWN_SECRET_FILE), { force: false });
}

function isDatabase(path: string): Promise<boolean> {
  return exists(join(path, 'PG_VERSION'));
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** What was written survives the loss of power. */
async function syncAll(directory: string, deep = true): Promise<void> {
  for (const entry of deep ? await readdir(directory, { withFileTypes: true }) : []) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await syncAll(path);
    else if (entry.isFile()) await sync(path);
  }
  await sync(directory);
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** What the disk says is for the operator. */
function explained(error: unknown, path: string): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOSPC')
    return new UserError(`there is no room for ${path}: make some, or choose another disk`, { cause: error });
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return new UserError(`${path} cannot be written (${code}): give this user the right to, or choose another place`, {
      cause: error,
    });
  return error;
}
