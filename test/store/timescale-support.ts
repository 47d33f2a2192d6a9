import type { Sql } from 'postgres';
import { onTestFinished } from 'vitest';
import { systemClock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import type { Spool } from '../../src/store/spool/spool.js';
import { Database } from '../../src/store/timescale/database.js';
import { CandleHistory } from '../../src/store/timescale/history.js';
import { TimescaleWriter, type TimescaleWriterOptions } from '../../src/store/timescale/writer.js';
import type { TestDatabase } from '../support/database.js';

/** A writer that drains the spool into the database, stopped when the test ends. */
export async function startWriter(
  database: Pick<TestDatabase, 'url'>,
  spool: Spool,
  directory: string,
  options: Partial<TimescaleWriterOptions> = {},
): Promise<TimescaleWriter> {
  const writer = new TimescaleWriter({
    url: database.url,
    source: spool,
    clock: systemClock,
    log: silentLog,
    quarantineDirectory: directory,
    ...options,
  });
  await writer.start();
  onTestFinished(async () => await writer.stop());
  return writer;
}

export function openHistory(database: Pick<TestDatabase, 'url'>): { database: Database; history: CandleHistory } {
  const pool = new Database({ url: database.url, clock: systemClock, max: 2 });
  onTestFinished(async () => await pool.close());
  return { database: pool, history: new CandleHistory(pool) };
}

/** Makes writers of the epochs, each of a partition of its own. */
export async function allowEpochs(sql: Sql, ...epochs: readonly number[]): Promise<void> {
  for (const epoch of epochs)
    await sql`INSERT INTO writers (partition, epoch, node) VALUES (${`test-${epoch}`}, ${epoch}, 'test') ON CONFLICT DO NOTHING`;
}
