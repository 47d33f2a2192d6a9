import { link, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { basename, dirname } from 'node:path';
import type { Clock } from '../clock.js';
import { UserError } from '../errors.js';
import { SOCKET_DIRECTORY_PREFIX } from './socket-directory.js';

/** Who holds a data directory. `started` tells a process from a later one with the same pid; null where it cannot be read. */
interface Holder {
  readonly host: string;
  readonly pid: number;
  readonly started: string | null;
  /** The server that started it. */
  readonly parentPid: number;
  readonly parentStarted: string | null;
  /** Where it listens; removed for it when it was killed. Empty: the lock of a server itself, not of its database process. */
  readonly socketDirectory: string;
}

export interface Lock {
  release(): Promise<void>;
}

/** An orphan whose server was killed is closing its database; this long it is waited for. */
const ORPHAN_MAX_MS = 10_000;
const ORPHAN_POLL_MS = 100;
const HEARTBEAT_MS = 5_000;
/** On another host (a volume shared by containers) a process cannot be looked up: only its heartbeat tells. */
const FOREIGN_SILENT_MS = 20_000;

/**
 * Takes the lock file at `path` for this process, waiting for a holder that is about to go.
 * @param socketDirectory of a database process; empty for a server.
 * @throws UserError naming the holder when the directory is in use.
 */
export async function takeLock(
  path: string,
  socketDirectory: string,
  clock: Clock,
  onProgress: (text: string) => void,
): Promise<Lock> {
  const own: Holder = {
    host: hostname(),
    pid: process.pid,
    started: await startTime(process.pid),
    parentPid: process.ppid,
    parentStarted: await startTime(process.ppid),
    socketDirectory,
  };
  const deadline = clock.now() + ORPHAN_MAX_MS;
  while (!(await create(path, own))) {
    const text = await readFile(path, 'utf8').catch(() => null);
    if (text === null) continue;
    const holder = parse(text);
    const state = holder === null ? 'gone' : await look(holder, path, clock);
    if (state === 'gone') await removeStale(path, text, holder, own);
    else if (holder !== null) await waitOrRefuse(path, holder, state, clock, deadline, onProgress);
  }
  return keep(path, JSON.stringify(own), clock);
}

function keep(path: string, own: string, clock: Clock): Lock {
  const stop = clock.every(HEARTBEAT_MS, () => {
    const now = new Date(clock.now());
    utimes(path, now, now).catch(() => {});
  });
  return {
    async release() {
      stop();
      if ((await readFile(path, 'utf8').catch(() => null)) === own) await rm(path, { force: true });
    },
  };
}

async function waitOrRefuse(
  path: string,
  holder: Holder,
  state: 'busy' | 'orphan',
  clock: Clock,
  deadline: number,
  onProgress: (text: string) => void,
): Promise<void> {
  if (state === 'busy' || clock.now() >= deadline) {
    const where = holder.host === hostname() ? '' : ` on host ${holder.host}`;
    const owner =
      holder.socketDirectory === ''
        ? `${dirname(path)} is in use by process ${holder.pid}${where}`
        : `the database in ${path.replace(/\.lock$/, '')} is in use by process ${holder.parentPid}${where} (its database process is ${holder.pid})`;
    throw new UserError(`${owner}: stop it, or choose another DATA_DIR`);
  }
  onProgress('waiting for the last run to close the database');
  await new Promise<void>((resolve) => {
    clock.after(ORPHAN_POLL_MS, resolve);
  });
}

/** Creates the file with its whole content at once; false when it exists. */
async function create(path: string, own: Holder): Promise<boolean> {
  const draft = `${path}.${own.pid}`;
  await writeFile(draft, JSON.stringify(own));
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    // No hard links on this file system.
    return await writeFile(path, JSON.stringify(own), { flag: 'wx' }).then(
      () => true,
      (cause: unknown) => {
        if (codeOf(cause) === 'EEXIST') return false;
        throw cause;
      },
    );
  } finally {
    await rm(draft, { force: true });
  }
}

/**
 * Removes the lock if it still says `text`: another process may have removed and taken it meanwhile, and listen where we
 * shall, so that directory is left to whoever has the lock.
 */
async function removeStale(path: string, text: string, holder: Holder | null, own: Holder): Promise<void> {
  const aside = `${path}.stale.${process.pid}`;
  try {
    await rename(path, aside);
    if ((await readFile(aside, 'utf8')) !== text) await link(aside, path);
    else if (
      holder !== null &&
      isSocketDirectory(holder.socketDirectory) &&
      holder.socketDirectory !== own.socketDirectory
    )
      await rm(holder.socketDirectory, { recursive: true, force: true });
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'EEXIST') throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

/** The file may have been written by anybody: only what looks like ours is removed. */
function isSocketDirectory(path: unknown): boolean {
  return typeof path === 'string' && dirname(path) === tmpdir() && basename(path).startsWith(SOCKET_DIRECTORY_PREFIX);
}

async function look(holder: Holder, path: string, clock: Clock): Promise<'busy' | 'orphan' | 'gone'> {
  if (holder.host !== hostname()) {
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: 0 }));
    return clock.now() - mtimeMs > FOREIGN_SILENT_MS ? 'gone' : 'busy';
  }
  if (!(await alive(holder.pid, holder.started))) return 'gone';
  if (holder.socketDirectory === '') return 'busy';
  return (await alive(holder.parentPid, holder.parentStarted)) ? 'busy' : 'orphan';
}

async function alive(pid: number, started: string | null): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (codeOf(error) !== 'EPERM') return false;
  }
  const now = await startTime(pid);
  return started === null || now === null || now === started;
}

/** When a process started, in ticks since boot, from /proc (Linux); "zombie" for one that is dead already. */
async function startTime(pid: number): Promise<string | null> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  if (line === null) return null;
  // The second field is the program's name in parentheses and may hold anything.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? 'zombie' : (fields[19] ?? null);
}

function parse(text: string): Holder | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && 'pid' in value ? (value as Holder) : null;
  } catch {
    return null;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
