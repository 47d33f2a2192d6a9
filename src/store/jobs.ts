import type { Sql } from 'postgres';
import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { Service } from '../kit/service.js';
import { bucketStart, DAY_MS, HOUR_MS } from '../market/interval.js';
import { LEVELS, oldestMinute, readWatermark, refreshView } from './refresh.js';

/** How often is looked for a job that is due. */
const POLL_MS = 1_000;
/** A start has better things to do first. */
const FIRST_RUN_DELAY_MS = 5_000;
/**
 * The embedded backend serves nobody else during a statement: what these levels have not materialised yet is done in
 * slices, of 36,000 rows at a hundred symbols.
 */
const SLICE_MS: ReadonlyMap<string, number> = new Map([
  ['ohlcv_5m', 6 * HOUR_MS],
  ['ohlcv_1h', 2 * DAY_MS],
]);

const REFRESH = 'policy_refresh_continuous_aggregate';

interface Job {
  readonly id: number;
  readonly procedure: string;
  /** The table or view it works on. */
  readonly target: string | null;
  readonly periodMs: number;
  /** Up to where a refresh goes now, epoch ms; null for other jobs. */
  readonly to: number | null;
}

export interface JobsOptions {
  /** A client of the embedded database; one connection is enough. */
  readonly sql: Sql;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Runs TimescaleDB's policies (refresh, compression, retention) on their schedules, one at a time. The embedded engine
 * has no background workers that would; a server runs them itself and needs none of this.
 */
export class Jobs implements Service {
  readonly name = 'database jobs';
  private readonly dueAt = new Map<number, number>();
  private running: Promise<void> | null = null;
  private stopping = false;
  private stopPolling: () => void = () => {};

  constructor(private readonly options: JobsOptions) {}

  async start(): Promise<void> {
    const begin = this.options.clock.now() + FIRST_RUN_DELAY_MS;
    this.stopPolling = this.options.clock.every(POLL_MS, () => {
      if (this.running !== null || this.options.clock.now() < begin) return;
      this.running = this.runDue()
        .catch((error: unknown) =>
          this.options.log.warn({ error: String(error) }, 'the database jobs could not be read'),
        )
        .finally(() => {
          this.running = null;
        });
    });
  }

  async stop(): Promise<void> {
    this.stopping = true;
    this.stopPolling();
    await this.running;
  }

  /** Runs what is due; a job that fails is tried again at its next time. */
  async runDue(): Promise<void> {
    if ([...this.dueAt.values()].every((due) => due > this.options.clock.now()) && this.dueAt.size > 0) return;
    for (const job of await readJobs(this.options.sql)) {
      if (this.stopping) return;
      if ((this.dueAt.get(job.id) ?? 0) > this.options.clock.now()) continue;
      this.dueAt.set(job.id, this.options.clock.now() + job.periodMs);
      await this.run(job);
    }
  }

  private async run(job: Job): Promise<void> {
    const { sql, log } = this.options;
    try {
      if (job.procedure === REFRESH) await this.catchUp(job);
      if (!this.stopping) await sql.unsafe(`CALL run_job(${job.id})`);
      log.debug({ job: job.id, procedure: job.procedure, target: job.target }, 'database job done');
    } catch (error) {
      log.warn(
        { job: job.id, procedure: job.procedure, target: job.target, error: String(error) },
        'database job failed',
      );
    }
  }

  /**
   * Oldest first: a level shows nothing below its watermark but what is materialised, so nothing may be left out when the
   * service stops between two slices. Only buckets that are over. The first time from before all time: a policy that
   * meets a level of which nothing is materialised goes through that time in batches, for some seconds.
   */
  private async catchUp(job: Job): Promise<void> {
    const level = LEVELS.find(({ view }) => view === job.target);
    if (level === undefined || job.to === null) return;
    const { sql } = this.options;
    const sliceMs = SLICE_MS.get(level.view) ?? Number.POSITIVE_INFINITY;
    const end = bucketStart(level.interval, job.to);
    const watermark = await readWatermark(sql, level.view);
    let from = watermark ?? (await oldestMinute(sql));
    let start = watermark;
    while (from < end && !this.stopping) {
      const to = Math.min(end, (Math.floor(from / sliceMs) + 1) * sliceMs);
      await refreshView(sql, level.view, start, to);
      from = to;
      start = to;
    }
  }
}

/** Refreshes first, lower levels before those rolled from them: what retention drops must have been rolled up. */
async function readJobs(sql: Sql): Promise<readonly Job[]> {
  const jobs = await sql<Job[]>`
    SELECT job_id AS id, proc_name AS procedure, hypertable_name AS target,
      (extract(epoch FROM schedule_interval) * 1000)::float8 AS "periodMs",
      (extract(epoch FROM now() - (config->>'end_offset')::interval) * 1000)::float8 AS "to"
    FROM timescaledb_information.jobs WHERE scheduled ORDER BY job_id`;
  return [...jobs].sort((a, b) => rank(a) - rank(b) || a.id - b.id);
}

function rank(job: Job): number {
  const level = job.procedure === REFRESH ? LEVELS.findIndex(({ view }) => view === job.target) : -1;
  return level < 0 ? LEVELS.length : level;
}
