import { runningEngine } from '../../kit/embedded/running.js';
import type { SocketKind } from '../../kit/embedded/socket-directory.js';

/** As libpq names it. */
export const POSTGRES: SocketKind = { engine: 'db', socket: '.s.PGSQL.5432' };

/** The URL of the embedded database of a DATA_DIR where a process of this user serves it now; null where none does. */
export async function runningDatabase(dataDir: string): Promise<string | null> {
  const directory = await runningEngine(dataDir, POSTGRES);
  return directory === null ? null : embeddedUrl(directory);
}

/** @param directory of its socket */
export function embeddedUrl(directory: string): string {
  return `postgres://postgres@${encodeURIComponent(directory)}/template1`;
}
