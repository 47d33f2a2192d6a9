import { Socket } from 'node:net';
import pg from 'pg';
import type { Log } from '../kit/log.js';
import { DeadlineError } from './deadline-error.js';

/** One statement at a time; what a stage needs of a relational database. */
export interface Sql {
  /**
   * Rows as objects: BIGINT as number, DATE as `YYYY-MM-DD`, TIMESTAMP (UTC) and TIMESTAMPTZ as Date, NUMERIC as text. Pass times as ISO-8601
   * text in UTC (`…Z`), which is right for both kinds of column.
   * @throws DeadlineError, or what pg throws
   */
  query<T>(
    text: string,
    values?: readonly unknown[],
  ): Promise<{ readonly rows: readonly T[]; readonly rowCount: number }>;
}

export interface PoolOptions {
  /** A Unix socket's directory may stand, percent-encoded, in the place of the host. May hold a password: never log it. */
  readonly url: string;
  readonly log: Log;
  /** Connections at most. Default 8. */
  readonly max?: number;
  /** How long a connection and a statement may take. Default 5 s each. */
  readonly deadlineMs?: number;
  /** Once aborted, statements have a second left: a database that does not answer does not hold up a stop. Default: never. */
  readonly stopping?: AbortSignal;
}

export interface Pool extends Sql {
  /** Waits for statements under way. */
  close(): Promise<void>;
}

const DEFAULT_MAX = 8;
const DEFAULT_DEADLINE_MS = 5000;
const STOP_PATIENCE_MS = 1000;
/** What pg and pg-pool say when time is up: these errors have no code. */
const LATE: ReadonlySet<string> = new Set([
  'Query read timeout',
  'timeout expired',
  'timeout exceeded when trying to connect',
  'Connection terminated due to connection timeout',
]);
/** An idle connection is kept this long. */
const IDLE_MS = 60_000;

/** Connects with the first statement. A connection whose statement failed is not used again. */
export function openPool({
  url,
  log,
  max = DEFAULT_MAX,
  deadlineMs = DEFAULT_DEADLINE_MS,
  stopping,
}: PoolOptions): Pool {
  const sockets = new CutSockets(stopping);
  const pool = new pg.Pool({
    connectionString: url,
    stream: () => sockets.open(),
    max,
    query_timeout: deadlineMs,
    connectionTimeoutMillis: deadlineMs,
    idleTimeoutMillis: IDLE_MS,
    allowExitOnIdle: true,
    keepAlive: true,
    application_name: 'candlecast',
    types: { getTypeParser },
  });
  const lost = (error: Error): void => log.debug({ error: error.message }, 'a connection to PostgreSQL was lost');
  pool.on('error', lost);
  // Without a listener of its own, a client that loses its connection while it is in use ends the process.
  pool.on('connect', (client) => client.on('error', lost));
  return {
    async query<T>(text: string, values: readonly unknown[] = []) {
      try {
        const { rows, rowCount } = await pool.query(text, [...values]);
        return { rows: rows as T[], rowCount: rowCount ?? 0 };
      } catch (error) {
        throw error instanceof Error && LATE.has(error.message) ? new DeadlineError(deadlineMs, error) : error;
      }
    },
    close: () => pool.end(),
  };
}

/** Sockets that do not outlive the patience of a stop: pg has no other way to leave a statement, or a connection that is being made. */
class CutSockets {
  readonly #open = new Set<Socket>();
  #cut = false;

  constructor(stopping: AbortSignal | undefined) {
    stopping?.addEventListener('abort', () => {
      AbortSignal.timeout(STOP_PATIENCE_MS).addEventListener('abort', () => {
        this.#cut = true;
        for (const socket of this.#open) socket.destroy();
      });
    });
  }

  open(): Socket {
    const socket = new Socket();
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    if (this.#cut) process.nextTick(() => socket.destroy());
    return socket;
  }
}

const { builtins } = pg.types;
type Parser = (text: string) => unknown;

const PARSERS: Readonly<Record<number, Parser>> = {
  [builtins.INT8]: toSafeInteger,
  [builtins.DATE]: (text) => text,
  [builtins.TIMESTAMP]: (text) => new Date(`${text.replace(' ', 'T')}Z`),
};

function getTypeParser(oid: number, format?: 'text' | 'binary'): Parser {
  const own = format === 'binary' ? undefined : PARSERS[oid];
  return own ?? (pg.types.getTypeParser(oid, format as 'text') as Parser);
}

function toSafeInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError('a BIGINT of the database is above 2^53');
  return value;
}
