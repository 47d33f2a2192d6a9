import { join } from 'node:path';
import { DeadlineError } from '../store/deadline-error.js';
import { readSchemaState, type SchemaState } from '../store/schema-state.js';
import { lookAtSpool, type SpoolLook } from '../store/spool/look.js';
import { Database } from '../store/timescale/database.js';
import {
  type AggregateOverview,
  candleBytes,
  countGaps,
  countMinutes,
  type JobOverview,
  readAggregates,
  readJobs,
  readServer,
  readWriters,
  type ServerOverview,
  type WriterOverview,
} from '../store/timescale/overview.js';
import { listSymbols } from '../store/timescale/symbols.js';
import type { Around } from './around.js';
import { explainDatabaseError } from './database-error.js';
import { packageRoot } from './package.js';
import { reachDatabase } from './reach-database.js';

/** For one answer of the database. */
const DEADLINE_MS = 10_000;
/** Counting stops after so long: what is not counted is not told. */
const COUNTING_MS = 5000;

export interface SymbolStatus {
  readonly symbol: string;
  readonly source: string;
  /** Stored minutes; null where counting would have taken too long. */
  readonly minutes: number | null;
  /** Open times, epoch ms; null while there is none. */
  readonly oldest: number | null;
  readonly newest: number | null;
  readonly gaps: number;
}

export interface StoredStatus {
  readonly candleBytes: number;
  readonly symbols: number;
  /** The first ones by name. */
  readonly shown: readonly SymbolStatus[];
  readonly aggregates: readonly AggregateOverview[];
  readonly jobs: readonly JobOverview[];
  readonly writers: readonly WriterOverview[];
}

export interface DatabaseStatus {
  readonly embedded: boolean;
  readonly server: ServerOverview;
  readonly schemas: readonly SchemaState[];
  readonly spool: SpoolLook & { readonly maxBytes: number };
  /** null: the schema of the candles is missing. */
  readonly stored: StoredStatus | null;
}

/** What is in the database and in the spool of this DATA_DIR; changes nothing. @throws UserError */
export async function databaseStatus(around: Around, maxSymbols: number): Promise<DatabaseStatus> {
  const { config, progress } = around;
  const url = await reachDatabase(around, config.timescaleUrl);
  const accountsUrl = config.databaseUrl ?? url;
  return progress.during('Looking at the database', async () => {
    const [schemas, looked] = await Promise.all([
      asked(around, accountsUrl, (database) => database.run((sql) => readSchemaState(sql, directoryOf('postgres')))),
      asked(around, url, (database) => look(around, database, maxSymbols)),
    ]);
    return {
      embedded: config.timescaleUrl === null,
      server: looked.server,
      schemas: [looked.schema, schemas],
      spool: { ...(await lookAtSpool(join(config.dataDir, 'spool'))), maxBytes: config.spoolMaxBytes },
      stored: looked.stored,
    };
  });
}

async function look({ clock }: Around, database: Database, maxSymbols: number) {
  const schema = await database.run((sql) => readSchemaState(sql, directoryOf('timescale')));
  const server = await database.run(readServer);
  if (schema.state === 'to be migrated') return { schema, server, stored: null };
  const all = await database.run(listSymbols);
  const gaps = await database.run(countGaps);
  const until = clock.now() + COUNTING_MS;
  const shown: SymbolStatus[] = [];
  for (const { symbol, source, firstTime, lastTime } of all.slice(0, maxSymbols)) {
    const minutes = await countWithin(database, symbol, until - clock.now());
    shown.push({ symbol, source, minutes, oldest: firstTime, newest: lastTime, gaps: gaps.get(symbol) ?? 0 });
  }
  const stored: StoredStatus = {
    candleBytes: await database.run(candleBytes),
    symbols: all.length,
    shown,
    aggregates: await database.run(readAggregates),
    jobs: await database.run(readJobs),
    writers: await database.run(readWriters),
  };
  return { schema, server, stored };
}

async function countWithin(database: Database, symbol: string, limitMs: number): Promise<number | null> {
  if (limitMs <= 0) return null;
  try {
    return await database.run((sql) => countMinutes(sql, symbol), limitMs);
  } catch (error) {
    if (error instanceof DeadlineError) return null;
    throw error;
  }
}

async function asked<T>({ clock }: Around, url: string, work: (database: Database) => Promise<T>): Promise<T> {
  const database = new Database({ url, clock, deadlineMs: DEADLINE_MS });
  try {
    return await work(database);
  } catch (error) {
    throw explainDatabaseError(error, url);
  } finally {
    await database.close();
  }
}

export function directoryOf(set: 'timescale' | 'postgres'): string {
  return join(packageRoot(), 'sql', set);
}
