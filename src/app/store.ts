import { join } from 'node:path';
import { takeLock } from '../store/embedded/lock.js';
import { Jobs } from '../store/jobs.js';
import { refreshRange, setRetention } from '../store/refresh.js';
import { Spool } from '../store/spool/spool.js';
import { aggregateWatermark } from '../store/timescale/aggregates.js';
import { Database } from '../store/timescale/database.js';
import { TimescaleWriter } from '../store/timescale/writer.js';
import { type Around, toStop } from './around.js';
import { atMost } from './at-most.js';
import { connect, endedByItself, migrateDatabase, openDatabase } from './database.js';
import { loadRestored, type Restored } from './restore.js';

/** Connections for reading history: live writes have their own. */
const READERS = 4;
const REFRESH_DEADLINE_MS = 60_000;
/** What the database does not take in this time stays in the spool, for the next start. */
const WRITER_STOP_MS = 1000;

export interface Store {
  /** For reading, by whoever needs history. */
  readonly readers: Database;
  readonly spool: Spool;
  readonly writer: TimescaleWriter;
  readonly restored: Restored;
  /** Starts the embedded engine's jobs; a server runs its own. */
  startJobs(): Promise<void>;
  /** Rejects when the embedded engine has ended by itself. */
  readonly failed: Promise<never>;
}

/** The data directory, the database with its schema, the spool and its writer, and what they know already. @throws UserError */
export async function openStore(around: Around): Promise<Store> {
  const { config, clock, log, progress, lifecycle } = around;
  const lock = await takeLock(join(config.dataDir, 'server.lock'), '', clock, (text) => log.info({}, text));
  await lifecycle.start(toStop('data directory', () => lock.release()));

  const database = await openDatabase({ url: config.timescaleUrl, dataDir: config.dataDir, clock, log, progress });
  await lifecycle.start(toStop('database', () => database.stop()));
  const readers = new Database({ url: database.url, clock, max: READERS });
  await lifecycle.start(toStop('database readers', () => readers.close()));
  const upkeep = new Database({ url: database.url, clock, deadlineMs: REFRESH_DEADLINE_MS });
  await lifecycle.start(toStop('database upkeep', () => upkeep.close()));
  await migrateDatabase(database.url, log, progress);
  await upkeep.run((sql) => setRetention(sql, config.retentionDays, clock.now()));

  const spool = await lifecycle.start(
    new Spool({ directory: join(config.dataDir, 'spool'), clock, log, maxBytes: config.spoolMaxBytes }),
  );
  const writer = await lifecycle.start(
    new TimescaleWriter({
      url: database.url,
      source: spool,
      clock,
      log,
      quarantineDirectory: join(config.dataDir, 'quarantine'),
      aggregates: {
        watermark: () => readers.run(aggregateWatermark),
        refresh: (from, to) => upkeep.run((sql) => refreshRange(sql, from, to)),
      },
      stopDeadlineMs: WRITER_STOP_MS,
    }),
  );
  await lifecycle.start(toStop('what the spool holds', () => atMost(WRITER_STOP_MS, clock, writer.drained())));
  await progress.during('Writing what the last run left in the spool', () => writer.drained());
  const restored = await progress.during('Reading the stored candles', () => loadRestored(readers));

  return {
    readers,
    spool,
    writer,
    restored,
    startJobs: async () => {
      if (!database.embedded) return;
      const sql = connect(database.url);
      await lifecycle.start(toStop('jobs client', () => sql.end({ timeout: 0 })));
      await lifecycle.start(new Jobs({ sql, clock, log }));
    },
    failed: endedByItself(database.exited, lifecycle),
  };
}
