import type { Clock } from '../kit/clock.js';
import { DurationHistogram } from '../kit/histogram.js';
import type { Metric } from '../ops/metrics.js';
import { openPool, type Pool } from '../store/relational.js';
import { type Around, toStop } from './around.js';
import { migrateDatabase } from './database.js';

/** What belongs to users, and how asking for it went. */
export interface Relational extends Pool {
  readonly durations: DurationHistogram;
  readonly failures: number;
}

/** The relational database with its schema. @throws UserError */
export async function openRelational({ log, lifecycle, progress, clock }: Around, url: string): Promise<Relational> {
  await migrateDatabase(url, log, progress, 'postgres');
  const pool = new MeasuredPool(openPool({ url, log, stopping: lifecycle.stopping }), clock);
  await lifecycle.start(toStop('relational database', () => pool.close()));
  return pool;
}

class MeasuredPool implements Relational {
  readonly durations = new DurationHistogram();
  failures = 0;
  readonly #pool: Pool;
  readonly #clock: Clock;

  constructor(pool: Pool, clock: Clock) {
    this.#pool = pool;
    this.#clock = clock;
  }

  async query<T>(text: string, values?: readonly unknown[]) {
    const began = this.#clock.now();
    try {
      return await this.#pool.query<T>(text, values);
    } catch (error) {
      this.failures++;
      throw error;
    } finally {
      this.durations.observe(this.#clock.now() - began);
    }
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}

export function relationalMetrics(sql: Relational): Metric[] {
  return [
    {
      name: 'users_query_duration_seconds',
      help: 'Statements about accounts, signals and rules in PostgreSQL, the wait for a connection included.',
      histograms: () => [[{}, sql.durations]],
    },
    {
      name: 'users_query_failures_total',
      help: 'Statements about accounts, signals and rules that failed.',
      read: () => sql.failures,
    },
  ];
}
