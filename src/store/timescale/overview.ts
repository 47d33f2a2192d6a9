import { LEVELS, readWatermark } from '../refresh.js';
import { epochMs } from './candle-sql.js';
import type { Sql } from './database.js';

/** What is stored, for an operator. Sizes in bytes, times in epoch ms. */

export interface ServerOverview {
  readonly version: string;
  /** null = not installed. */
  readonly timescaledb: string | null;
  readonly databaseBytes: number;
}

export async function readServer(sql: Sql): Promise<ServerOverview> {
  const [row] = await sql<{ version: string; timescaledb: string | null; bytes: string }[]>`
    SELECT current_setting('server_version') AS version, pg_database_size(current_database())::text AS bytes,
      (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS timescaledb`;
  if (row === undefined) throw new TypeError('the server did not answer');
  return { version: row.version, timescaledb: row.timescaledb, databaseBytes: Number(row.bytes) };
}

export async function candleBytes(sql: Sql): Promise<number> {
  const [row] = await sql<{ bytes: string }[]>`SELECT coalesce(hypertable_size('ohlcv'), 0)::text AS bytes`;
  return Number(row?.bytes ?? 0);
}

/** Exact, by reading the keys of every row: give it a deadline. */
export async function countMinutes(sql: Sql, symbol: string): Promise<number> {
  const [row] = await sql<{ count: string }[]>`SELECT count(*)::text AS count FROM ohlcv WHERE symbol = ${symbol}`;
  return Number(row?.count ?? 0);
}

export async function countGaps(sql: Sql): Promise<ReadonlyMap<string, number>> {
  const rows = await sql<{ symbol: string; count: number }[]>`
    SELECT symbol, count(*)::int AS count FROM gaps GROUP BY symbol`;
  return new Map(rows.map(({ symbol, count }) => [symbol, count]));
}

export interface AggregateOverview {
  readonly interval: string;
  /** Below it the aggregate answers from what is materialised; null = nothing is yet. */
  readonly materialisedTo: number | null;
}

export async function readAggregates(sql: Sql): Promise<AggregateOverview[]> {
  const found: AggregateOverview[] = [];
  for (const { view, interval } of LEVELS) found.push({ interval, materialisedTo: await readWatermark(sql, view) });
  return found;
}

export interface JobOverview {
  readonly job: string;
  readonly target: string | null;
  readonly everyMs: number;
  /** null where nobody has noted it: the embedded database's jobs are run by the server, which logs what fails. */
  readonly lastStatus: string | null;
  readonly lastSuccess: number | null;
  readonly failures: number;
}

export async function readJobs(sql: Sql): Promise<JobOverview[]> {
  const rows = await sql.unsafe<
    {
      job: string;
      target: string | null;
      every: number;
      status: string | null;
      success: string | null;
      failures: string | null;
    }[]
  >(`SELECT proc_name AS job, j.hypertable_name AS target, (extract(epoch FROM schedule_interval) * 1000)::float8 AS every,
      s.last_run_status AS status, s.total_failures::text AS failures,
      CASE WHEN isfinite(s.last_successful_finish) THEN ${epochMs('s.last_successful_finish')}::text END AS success
    FROM timescaledb_information.jobs j LEFT JOIN timescaledb_information.job_stats s USING (job_id)
    WHERE scheduled AND job_id >= 1000 ORDER BY job_id`);
  return rows.map((row) => ({
    job: row.job.replace(/^policy_/, '').replaceAll('_', ' '),
    target: row.target,
    everyMs: row.every,
    lastStatus: row.status,
    lastSuccess: row.success === null ? null : Number(row.success),
    failures: Number(row.failures ?? 0),
  }));
}

export interface WriterOverview {
  readonly partition: string;
  readonly node: string;
  readonly epoch: number;
  readonly takenAt: number;
}

/** Who wrote last, of each partition. */
export async function readWriters(sql: Sql): Promise<WriterOverview[]> {
  const rows = await sql.unsafe<{ partition: string; node: string; epoch: string; taken: string }[]>(
    `SELECT partition, node, epoch::text AS epoch, ${epochMs('taken_at')}::text AS taken FROM writers ORDER BY partition`,
  );
  return rows.map(({ partition, node, epoch, taken }) => ({
    partition,
    node,
    epoch: Number(epoch),
    takenAt: Number(taken),
  }));
}
