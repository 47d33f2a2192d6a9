import { join } from 'node:path';
import { takeLock } from '../kit/embedded/lock.js';
import { Jobs } from '../store/jobs.js';
import { refreshRange, setRetention } from '../store/refresh.js';
import { Spool } from '../store/spool/spool.js';
import { aggregateWatermark } from '../store/timescale/aggregates.js';
import { noteChangedDays } from '../store/timescale/daily.js';
import { Database } from '../store/timescale/database.js';
import { CandleHistory } from '../store/timescale/history.js';
import { listSymbols, registerStored, type StoredSymbol } from '../store/timescale/symbols.js';
import { TimescaleWriter } from '../store/timescale/writer.js';
import { readEpochs } from '../store/timescale/writers.js';
import { type Around, toStop } from './around.js';
import { atMost } from './at-most.js';
import { BringAwaited } from './bring-awaited.js';
import { connect, endedByItself, migrateDatabase, openDatabase } from './database.js';

/** Connections for reading history: live writes have their own. */
const READERS = 4;
const REFRESH_DEADLINE_MS = 60_000;
/** A thousand symbols take a while on a busy machine. */
const LIST_DEADLINE_MS = 60_000;
/** What the database does not take in this time stays in the spool, for the next start. */
const WRITER_STOP_MS = 1000;
/** All other feeds know their symbols, and register them before they begin. */
const OPEN_SOURCE = 'push';

/** The database as whoever reads it has it. */
export interface Readable {
  readonly url: string;
  readonly embedded: boolean;
  readonly readers: Database;
  readonly history: CandleHistory;
  readonly firstEpoch: number;
  /** Rejects when the embedded engine has ended by itself. */
  readonly failed: Promise<never>;
}

/** What a process that writes has besides. */
export interface Store extends Readable {
  readonly spool: Spool;
  readonly writer: TimescaleWriter;
}

/** The database with its schema. @throws UserError */
export async function openReadable(around: Around): Promise<Readable> {
  const { config, clock, log, progress, lifecycle, tracer } = around;
  const database = await openDatabase({ url: config.timescaleUrl, dataDir: config.dataDir, clock, log, progress });
  await lifecycle.start(toStop('database', () => database.stop()));
  await migrateDatabase(database.url, log, progress);
  const { url, embedded } = database;
  const readers = new Database({ url, clock, max: READERS });
  await lifecycle.start(toStop('database readers', () => readers.close()));
  const { first } = await readers.run(readEpochs);
  const failed = endedByItself(database.exited, lifecycle);
  return { url, embedded, readers, history: new CandleHistory(readers, tracer), firstEpoch: first, failed };
}

/** Every symbol that has candles, also those whose process died before it could register them. */
export function storedSymbols(database: Database): Promise<StoredSymbol[]> {
  return database.run(async (sql) => {
    await registerStored(sql, OPEN_SOURCE);
    return listSymbols(sql);
  }, LIST_DEADLINE_MS);
}

/** The data directory is ours alone. @throws UserError naming who has it. */
export async function lockDataDirectory({ config, clock, log, lifecycle }: Around): Promise<void> {
  const lock = await takeLock(join(config.dataDir, 'server.lock'), '', clock, (text) => log.info({}, text));
  await lifecycle.start(toStop('data directory', () => lock.release()));
}

/** The spool and its writer; what the last run left in the spool is in the database when it resolves. @throws UserError */
export async function openStore(around: Around, read: Readable, onFenced: (epoch: number) => void): Promise<Store> {
  const { config, clock, log, progress, lifecycle, tracer } = around;
  const { url, readers } = read;
  const upkeep = new Database({ url, clock, deadlineMs: REFRESH_DEADLINE_MS });
  await lifecycle.start(toStop('database upkeep', () => upkeep.close()));
  await upkeep.run((sql) => setRetention(sql, config.retentionDays, clock.now()));

  const spool = await lifecycle.start(
    new Spool({ directory: join(config.dataDir, 'spool'), clock, log, maxBytes: config.spoolMaxBytes }),
  );
  const refresh = (from: number, to: number) =>
    upkeep.run(async (sql) => {
      await refreshRange(sql, from, to);
      await noteChangedDays(sql, from, to);
    });
  const quarantineDirectory = join(config.dataDir, 'quarantine');
  const writer = await lifecycle.start(
    new TimescaleWriter({
      url,
      source: spool,
      clock,
      log,
      quarantineDirectory,
      aggregates: { watermark: () => readers.run(aggregateWatermark), refresh },
      stopDeadlineMs: WRITER_STOP_MS,
      onFenced,
      ...(tracer && { tracer }),
    }),
  );
  await lifecycle.start(toStop('what the spool holds', () => atMost(WRITER_STOP_MS, clock, writer.drained())));
  await progress.during('Writing what the last run left in the spool', () => writer.drained());
  await lifecycle.start(new BringAwaited({ directory: quarantineDirectory, readers, refresh, clock, log }));
  return { ...read, spool, writer };
}

/** Runs the embedded engine's background jobs, which never run by themselves; a server runs its own. */
export async function startJobs({ clock, log, lifecycle }: Around, url: string): Promise<void> {
  const sql = connect(url);
  await lifecycle.start(toStop('jobs client', () => sql.end({ timeout: 0 })));
  await lifecycle.start(new Jobs({ sql, clock, log }));
}
