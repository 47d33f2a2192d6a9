import type { Log } from '../../kit/log.js';
import { startEmbeddedDatabase } from './start.js';

export interface ServeDatabaseOptions {
  readonly dataDir: string;
  readonly log: Log;
  /** Shows one line to the person at the terminal. */
  readonly print: (line: string) => void;
  /** Ends the serving. */
  readonly signal: AbortSignal;
}

/**
 * Serves the embedded database to other processes of this user until `signal` fires.
 * @returns the exit code: 0, or 1 when the database ended by itself.
 * @throws UserError as `startEmbeddedDatabase` does.
 */
export async function serveDatabase(options: ServeDatabaseOptions): Promise<number> {
  const { dataDir, log, print, signal } = options;
  const database = await startEmbeddedDatabase({ dataDir, log, onProgress: print });
  let asked = false;
  const stop = () => {
    asked = true;
    database.stop().catch((error: unknown) => log.error({ error: String(error) }, 'the database did not stop'));
  };
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  print(`DATABASE_URL=${database.url}`);
  await database.exited;
  signal.removeEventListener('abort', stop);
  return asked ? 0 : 1;
}
