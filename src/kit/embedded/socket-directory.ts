import { createHash } from 'node:crypto';
import { chmod, lstat, mkdir, realpath, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '../errors.js';

/** Of every directory in the system's temporary directory that holds a socket of ours. */
export const SOCKET_DIRECTORY_PREFIX = 'candlecast-';

/** How clients find an engine. */
export interface SocketKind {
  /** Tells the engines of one DATA_DIR apart. */
  readonly engine: string;
  /** The file in the directory. */
  readonly socket: string;
}

/** `sun_path` with its zero: 108 bytes on Linux, 104 on macOS. */
const SOCKET_PATH_BYTES_MAX = process.platform === 'linux' ? 107 : 103;
const HASH_CHARS = 16;

/**
 * Where an engine of an existing DATA_DIR listens, the same at every start, so that its clients find it again.
 * @throws UserError when the system's temporary directory has too long a path for a socket.
 */
export async function socketDirectory(dataDir: string, { engine, socket }: SocketKind): Promise<string> {
  const hash = createHash('sha256')
    .update(await realpath(dataDir))
    .digest('hex')
    .slice(0, HASH_CHARS);
  const directory = join(tmpdir(), `${SOCKET_DIRECTORY_PREFIX}${engine}-${process.getuid?.() ?? 0}-${hash}`);
  const bytes = Buffer.byteLength(join(directory, socket));
  if (bytes > SOCKET_PATH_BYTES_MAX) {
    throw new UserError(
      `the database's socket in ${directory} has a path of ${bytes} bytes, ${SOCKET_PATH_BYTES_MAX} at most are possible: set TMPDIR to a shorter directory`,
    );
  }
  return directory;
}

/**
 * Makes the directory ours alone and removes a socket that a killed database left. Call with the database's lock held.
 * @throws UserError when it belongs to another user, or another database listens there.
 */
export async function prepareSocketDirectory(directory: string, { socket: name }: SocketKind): Promise<void> {
  await mkdir(directory, { mode: 0o700 }).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  });
  const found = await lstat(directory);
  if (!found.isDirectory() || (process.getuid !== undefined && found.uid !== process.getuid())) {
    throw new UserError(`${directory} belongs to somebody else: remove it, or set TMPDIR to another directory`);
  }
  if ((found.mode & 0o777) !== 0o700) await chmod(directory, 0o700);
  const socket = join(directory, name);
  if (await answers(socket)) {
    throw new UserError(`another database listens in ${directory}: stop it, or set TMPDIR to another directory`);
  }
  await rm(socket, { force: true });
}

/** Whether anybody listens on a socket. */
export function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => resolve(true)).once('error', () => resolve(false));
    probe.once('connect', () => probe.destroy());
  });
}
