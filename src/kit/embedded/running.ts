import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { answers, type SocketKind, socketDirectory } from './socket-directory.js';

/** Where a process of this user serves the embedded engine of a DATA_DIR now; null where none does. */
export async function runningEngine(dataDir: string, kind: SocketKind): Promise<string | null> {
  const directory = await socketDirectory(dataDir, kind);
  const found = await lstat(directory).catch(() => null);
  // The temporary directory is everybody's: what somebody else put there is not asked.
  if (found === null || !found.isDirectory() || found.uid !== process.getuid?.()) return null;
  return (await answers(join(directory, kind.socket))) ? directory : null;
}
