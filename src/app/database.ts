import { join } from 'node:path';
import postgres, { type Sql } from 'postgres';
import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { Lifecycle } from '../ops/lifecycle.js';
import type { ProgressLines } from '../ops/progress.js';
import { postgresOptions, startEmbeddedDatabase } from '../store/embedded/start.js';
import { migrate } from '../store/migrate.js';
import { explainDatabaseError } from './database-error.js';
import { packageRoot } from './package.js';

export interface OpenDatabase {
  readonly url: string;
  readonly embedded: boolean;
  /** Settles when an embedded engine has ended, asked to or not; never for a server. */
  readonly exited: Promise<unknown>;
  stop(): Promise<void>;
}

export interface DatabaseSettings {
  /** null = the embedded engine. */
  readonly url: string | null;
  readonly dataDir: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly progress: ProgressLines;
}

/** Opens the embedded engine, or names the server. @throws UserError */
export async function openDatabase({ url, dataDir, log, progress }: DatabaseSettings): Promise<OpenDatabase> {
  if (url !== null) return { url, embedded: false, exited: new Promise(() => {}), stop: async () => {} };
  return progress.during('Opening the embedded TimescaleDB', async () => {
    const engine = await startEmbeddedDatabase({ dataDir, log, onProgress: (text) => log.debug({}, text) });
    return { url: engine.url, embedded: true, exited: engine.exited, stop: () => engine.stop() };
  });
}

/** Brings the schema up to date. @returns how many migrations were applied. @throws UserError */
export async function migrateDatabase(
  url: string,
  log: Log,
  progress: ProgressLines,
  set: 'timescale' | 'postgres' = 'timescale',
): Promise<number> {
  const sql = connect(url);
  const directory = join(packageRoot(), 'sql', set);
  try {
    return await progress.during('Migrating the database', (line) =>
      migrate({ sql, directory, log, onProgress: ({ index, total }) => line.update((index - 1) / total) }),
    );
  } catch (error) {
    throw explainDatabaseError(error, url);
  } finally {
    await sql.end({ timeout: 0 });
  }
}

/** A client of one connection, for work that is in no hurry. */
export function connect(url: string): Sql {
  return postgres(url, { ...postgresOptions(url), max: 1, onnotice: () => {} });
}

/** Rejects when the embedded engine has ended although nothing was being stopped. */
export function endedByItself(exited: Promise<unknown>, lifecycle: Lifecycle): Promise<never> {
  const failed = exited.then(() => {
    if (lifecycle.stopping.aborted) return new Promise<never>(() => {});
    throw new Error('the embedded database ended by itself');
  });
  // Whoever waits for it gets the rejection; until then it is nobody's.
  failed.catch(() => {});
  return failed;
}
