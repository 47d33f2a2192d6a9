import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { SOCKET_NAME } from './ipc.js';
import { answers, socketDirectory } from './socket-directory.js';

/** The URL of the embedded database of a DATA_DIR where a process of this user serves it now; null where none does. */
export async function runningDatabase(dataDir: string): Promise<string | null> {
  const directory = await socketDirectory(dataDir);
  const found = await lstat(directory).catch(() => null);
  // The temporary directory is everybody's: what somebody else put there is not asked.
  if (found === null || !found.isDirectory() || found.uid !== process.getuid?.()) return null;
  return (await answers(join(directory, SOCKET_NAME))) ? embeddedUrl(directory) : null;
}

/** @param directory of its socket */
export function embeddedUrl(directory: string): string {
  return `postgres://postgres@${encodeURIComponent(directory)}/template1`;
}
