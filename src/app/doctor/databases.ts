import type { Clock } from '../../kit/clock.js';
import { DeadlineError } from '../../store/deadline-error.js';
import { readSchemaState, type SchemaState } from '../../store/schema-state.js';
import { Database, type Sql } from '../../store/timescale/database.js';
import { readServer } from '../../store/timescale/overview.js';
import { explainDatabaseError } from '../database-error.js';
import { directoryOf } from '../status.js';
import { type Check, error, type Finding, ok, reasonOf, warning } from './finding.js';
import { compareClocks } from './skew.js';

const DEADLINE_MS = 3000;
const OLDEST_POSTGRES = 15;
const MIGRATE = 'candlecast db migrate (a start does it as well)';

export interface DatabaseToCheck {
  /** The variable that names it. */
  readonly name: string;
  /** May hold a password. */
  readonly url: string;
  readonly sets: readonly ('timescale' | 'postgres')[];
  /** What minutes are closed by should be what everybody else's clock says. */
  readonly closesMinutes: boolean;
}

export function databaseCheck(wanted: DatabaseToCheck, clock: Clock): Check {
  return { name: wanted.name, run: () => check(wanted, clock) };
}

async function check({ name, url, sets, closesMinutes }: DatabaseToCheck, clock: Clock): Promise<Finding[]> {
  const database = new Database({ url, clock, deadlineMs: DEADLINE_MS });
  const findings: Finding[] = [];
  try {
    const server = await database.run(readServer);
    findings.push(version(server.version));
    if (sets.includes('timescale')) findings.push(await extension(database, server.timescaledb));
    for (const set of sets) findings.push(schema(await database.run((sql) => readSchemaState(sql, directoryOf(set)))));
    findings.push(await database.run(connections));
    findings.push(await compareClocks('the database', clock, () => database.run(readTime), closesMinutes));
  } catch (failure) {
    if (failure instanceof DeadlineError)
      findings.push(
        error(
          `${name} does not answer within ${DEADLINE_MS / 1000} s`,
          'is the process frozen, or a firewall between?',
        ),
      );
    else findings.push(error(`${name}: ${reasonOf(explainDatabaseError(failure, url))}`));
  } finally {
    void database.close().catch(() => undefined);
  }
  return findings;
}

function version(text: string): Finding {
  if (Number.parseInt(text, 10) >= OLDEST_POSTGRES) return ok(`PostgreSQL ${text}`);
  return error(`PostgreSQL ${text} is too old: ${OLDEST_POSTGRES} or newer is needed`, 'upgrade the server');
}

async function extension(database: Database, installed: string | null): Promise<Finding> {
  if (installed !== null) return ok(`TimescaleDB ${installed}`);
  const [available] = await database.run(
    (sql) =>
      sql<
        { version: string }[]
      >`SELECT default_version AS version FROM pg_available_extensions WHERE name = 'timescaledb'`,
  );
  if (available !== undefined)
    return warning(`TimescaleDB ${available.version} is there, but not in this database yet`, MIGRATE);
  return error(
    'this server has no TimescaleDB: candles cannot be stored in it',
    'install it (https://docs.timescale.com/self-hosted), or leave TIMESCALE_URL and DATABASE_URL unset',
  );
}

export function schema({ set, version: has, known, state }: SchemaState): Finding {
  const says = `schema ${set}: version ${has} of ${known}`;
  if (state === 'up to date') return ok(says);
  if (state === 'to be migrated') return warning(`${says}: it is to be migrated`, MIGRATE);
  if (state === 'changed')
    return error(`${says}: it was made by other migrations than this version has`, 'run the version that made it');
  return error(`${says}: it is newer than this program`, 'run the newer version, or use another database');
}

async function connections(sql: Sql): Promise<Finding> {
  const [row] = await sql<{ used: number; max: number }[]>`
    SELECT (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,
      current_setting('max_connections')::int AS max`;
  const { used = 0, max = 1 } = row ?? {};
  const says = `${used} of ${max} connections are in use`;
  if (used / max < 0.8) return ok(says);
  return warning(`${says}: each node takes about 15`, 'raise max_connections, or put pgbouncer in between');
}

async function readTime(sql: Sql): Promise<number> {
  const [row] = await sql<{ now: number }[]>`
    SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now`;
  return row?.now ?? Number.NaN;
}
