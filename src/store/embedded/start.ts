import { type Child, startChild } from '../../kit/embedded/child.js';
import type { Log } from '../../kit/log.js';
import { embeddedUrl } from './running.js';

export interface EmbeddedDatabase extends Omit<Child, 'directory'> {
  /** Connection URL for `pg`, psql and, with `postgresOptions(url)` beside it, `postgres`. */
  readonly url: string;
}

export interface EmbeddedDatabaseOptions {
  /** The server's DATA_DIR; the database lives in `timescale` below it. */
  readonly dataDir: string;
  readonly log: Log;
  /** What is being done, for a person to read. */
  readonly onProgress?: (text: string) => void;
}

/**
 * Starts embedded TimescaleDB in a process of its own and waits until it takes connections (3 s for a new directory, else 1 s).
 * @throws UserError when the directory is in use, cannot be written or is full, or when the optional package is missing.
 */
export async function startEmbeddedDatabase(options: EmbeddedDatabaseOptions): Promise<EmbeddedDatabase> {
  const place = { entry: 'database-process', near: import.meta.url, what: 'embedded database' };
  const { directory, ...child } = await startChild({ ...place, ...options });
  return { ...child, url: embeddedUrl(directory) };
}

/** What `postgres` needs beside such a URL: it does not decode a socket directory in the place of the host. */
export function postgresOptions(url: string): { host?: string } {
  const host = /^postgres(?:ql)?:\/\/(?:[^@/]*@)?(%2f[^/:?]*)/i.exec(url)?.[1];
  return host === undefined ? {} : { host: decodeURIComponent(host) };
}
