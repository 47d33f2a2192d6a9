import type { Clock } from '../kit/clock.js';
import { UserError } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import type { Service } from '../kit/service.js';
import type { ClickHouse, Place } from './clickhouse.js';
import {
  type AnalyticsDatabase,
  AnalyticsUnavailable,
  type DailyRow,
  type NoDay,
  type QueryLimits,
} from './database.js';
import { findEmbeddedClickHouse, startEmbeddedClickHouse } from './embedded/start.js';
import { migrateClickHouse } from './migrate.js';

export interface AnalyticsOptions {
  /** null = the embedded engine. May hold a password: never log it. */
  readonly url: string | null;
  readonly dataDir: string;
  /** The directory `sql/clickhouse`. */
  readonly migrations: string;
  readonly clock: Clock;
  readonly log: Log;
}

interface Opened {
  readonly database: ClickHouse;
  /** `own`: the engine is a process of ours, whose end is seen when it comes. `found`: of another process, which may end as it likes. */
  readonly kind: 'own' | 'found' | 'server';
  /** Of the process of ours. */
  readonly pid: number | null;
  stop(): Promise<void>;
}

const BACKOFF_MIN_MS = 1000;
const BACKOFF_MAX_MS = 60_000;
/** A process that lived so long did not fail at its start. */
const HEALTHY_MS = 60_000;

/**
 * ClickHouse with its schema, opened when it is first asked: the embedded engine takes 300 MB and a second. Where it is lost, what was
 * under way fails and the next question opens it again, after a pause that grows with every failure in a row.
 */
export class Analytics implements AnalyticsDatabase, Service {
  readonly name = 'analytics';
  readonly #options: AnalyticsOptions;
  #opening: Promise<Opened> | null = null;
  #opened: Opened | null = null;
  #failures = 0;
  #retryAt = 0;
  #lastError = '';
  /** Nothing but its operator helps. */
  #isOperators = false;
  #stopped = false;

  constructor(options: AnalyticsOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {
    this.#stopped = true;
    const opened = await this.#opening?.catch(() => null);
    await opened?.stop();
  }

  /** Whether ClickHouse answered when it was last asked; null while nobody has. */
  get up(): boolean | null {
    if (this.#opened !== null) return true;
    return this.#failures > 0 ? false : null;
  }

  /** Of the embedded engine that this process has started. */
  get pid(): number | null {
    return this.#opened?.pid ?? null;
  }

  rows<Row>(sql: string, params: Readonly<Record<string, unknown>>, limits?: QueryLimits): Promise<Row[]> {
    return this.#use((database) => database.rows<Row>(sql, params, limits));
  }

  insert(rows: readonly DailyRow[]): Promise<void> {
    return this.#use((database) => database.insert(rows));
  }

  remove(days: readonly NoDay[]): Promise<void> {
    return this.#use((database) => database.remove(days));
  }

  async #use<T>(work: (database: ClickHouse) => Promise<T>, again = true): Promise<T> {
    const opened = await this.#open();
    try {
      return await work(opened.database);
    } catch (error) {
      if (!(error instanceof AnalyticsUnavailable) || opened.kind === 'own') throw error;
      if (opened.kind === 'server' || this.#opened !== opened || !again) {
        this.#lost(opened, error);
        throw error;
      }
    }
    // A command has ended, and the engine with it. Everything bears being done twice.
    this.#opening = null;
    this.#opened = null;
    void opened.stop();
    return await this.#use(work, false);
  }

  async #open(): Promise<Opened> {
    if (this.#stopped) throw new AnalyticsUnavailable('the server is shutting down', null);
    const waitMs = this.#retryAt - this.#options.clock.now();
    if (this.#opening === null && waitMs > 0)
      throw new AnalyticsUnavailable(this.#lastError, this.#isOperators ? null : Math.ceil(waitMs / 1000));
    this.#opening ??= this.#connect();
    return await this.#opening;
  }

  async #connect(): Promise<Opened> {
    const since = this.#options.clock.now();
    try {
      const opened = await this.#reach(since);
      await migrateClickHouse(opened.database.client, this.#options.migrations, this.#options.log).catch(
        async (error: unknown) => {
          await opened.stop();
          throw error;
        },
      );
      this.#opened = opened;
      return opened;
    } catch (error) {
      this.#failed(error, since);
      throw new AnalyticsUnavailable(this.#lastError, this.#isOperators ? null : this.#backoffMs() / 1000, error);
    }
  }

  async #reach(since: number): Promise<Opened> {
    const { url, dataDir, log } = this.#options;
    if (url !== null) return await reached({ url }, 'server');
    const found = await findEmbeddedClickHouse(dataDir);
    if (found !== null) return await reached(found, 'found');
    const child = await startEmbeddedClickHouse({ dataDir, log });
    const database = await clientOf(child.place);
    const opened: Opened = {
      database,
      kind: 'own',
      pid: child.pid,
      stop: async () => {
        await database.close();
        await child.stop();
      },
    };
    void child.exited.then(({ code }) => {
      if (this.#stopped) return;
      log.error({ code }, 'the embedded ClickHouse has ended by itself; it is started again when it is needed');
      this.#lost(opened, new Error('the embedded ClickHouse has ended by itself'), since);
    });
    return opened;
  }

  #lost(opened: Opened, error: Error, since = this.#options.clock.now()): void {
    if (this.#opened !== null && this.#opened !== opened) return;
    this.#failed(error, since);
    if (opened.kind === 'server') void opened.stop();
  }

  #failed(error: unknown, since: number): void {
    const { clock, log, url } = this.#options;
    this.#lastError = messageOf(error, url);
    this.#isOperators = error instanceof UserError;
    this.#opening = null;
    this.#opened = null;
    if (clock.now() - since > HEALTHY_MS) this.#failures = 0;
    this.#failures++;
    this.#retryAt = clock.now() + this.#backoffMs();
    if (this.#failures === 1) log.warn({ error: this.#lastError }, 'the analytics have no ClickHouse at present');
  }

  #backoffMs(): number {
    return Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** (this.#failures - 1));
  }
}

/** Loaded with the first question: the server starts without it. */
async function clientOf(place: Place): Promise<ClickHouse> {
  return new (await import('./clickhouse.js')).ClickHouse(place);
}

async function reached(place: Place, kind: 'found' | 'server'): Promise<Opened> {
  const database = await clientOf(place);
  return { database, kind, pid: null, stop: () => database.close() };
}

/** Never tells the password of a URL. */
function messageOf(error: unknown, url: string | null): string {
  const said = error instanceof Error ? error.message || error.name : String(error);
  if (error instanceof UserError || url === null) return said;
  const { host } = new URL(url);
  return `ClickHouse at ${host} cannot be used (${said}): start it, or correct CLICKHOUSE_URL`;
}
