import { Agent } from 'node:http';
import { join } from 'node:path';
import { type Child, startChild } from '../../kit/embedded/child.js';
import { runningEngine } from '../../kit/embedded/running.js';
import type { SocketKind } from '../../kit/embedded/socket-directory.js';
import type { Log } from '../../kit/log.js';
import type { Place } from '../clickhouse.js';

export const CLICKHOUSE: SocketKind = { engine: 'ch', socket: 'clickhouse.sock' };

export interface EmbeddedClickHouse extends Omit<Child, 'directory'> {
  readonly place: Place;
}

export interface EmbeddedOptions {
  /** The server's DATA_DIR; the database lives in `clickhouse` below it. */
  readonly dataDir: string;
  readonly log: Log;
}

/**
 * Starts the embedded ClickHouse in a process of its own and waits until it takes requests (about a second).
 * @throws UserError when the directory is in use, or when the optional package is missing.
 */
export async function startEmbeddedClickHouse(options: EmbeddedOptions): Promise<EmbeddedClickHouse> {
  const entry = { entry: 'clickhouse-process', near: import.meta.url, what: 'embedded ClickHouse' };
  const { directory, ...child } = await startChild({ ...entry, ...options });
  return { ...child, place: placeOf(directory) };
}

/** The one that another process of this DATA_DIR has started; null where there is none. */
export async function findEmbeddedClickHouse(dataDir: string): Promise<Place | null> {
  const directory = await runningEngine(dataDir, CLICKHOUSE);
  return directory === null ? null : placeOf(directory);
}

function placeOf(directory: string): Place {
  return {
    url: 'http://localhost',
    agent: new Agent({ keepAlive: true, socketPath: join(directory, CLICKHOUSE.socket) } as object),
  };
}
