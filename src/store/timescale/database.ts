import { connect, type NetConnectOpts, type Socket } from 'node:net';
import postgres from 'postgres';
import type { Clock } from '../../kit/clock.js';
import { postgresOptions } from '../embedded/start.js';

export interface DatabaseOptions {
  /** A Unix socket's directory may stand, percent-encoded, in the place of the host. */
  readonly url: string;
  readonly clock: Clock;
  /** Connections kept. Default 1. */
  readonly max?: number;
  /** How long a statement may take, connecting included, before its connection is given up. Default 10 s. */
  readonly deadlineMs?: number;
}

/** No answer within the deadline; the connections were given up. */
export class DeadlineError extends Error {
  override readonly name: string = 'DeadlineError';
  constructor(readonly deadlineMs: number) {
    super(`the database did not answer within ${deadlineMs} ms`);
  }
}

export type Sql = postgres.Sql;

const DEFAULT_DEADLINE_MS = 10_000;

/**
 * A pool of postgres.js connections with what the driver lacks: a deadline on every statement that gives the connection
 * up (a frozen server answers no cancel request either), and TCP_NODELAY.
 */
export class Database {
  readonly deadlineMs: number;
  readonly #options: DatabaseOptions;
  #pool: Pool;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.deadlineMs = options.deadlineMs ?? DEFAULT_DEADLINE_MS;
    this.#pool = new Pool(options, this.deadlineMs);
  }

  /** Runs single statements on the pool. @throws DeadlineError, or what `work` throws */
  async run<T>(work: (sql: Sql) => Promise<T>, deadlineMs: number = this.deadlineMs): Promise<T> {
    const pool = this.#pool;
    let cancel = (): void => {};
    const late = new Promise<never>((_, reject) => {
      cancel = this.#options.clock.after(deadlineMs, () => {
        reject(new DeadlineError(deadlineMs));
        this.#replace(pool);
      });
    });
    try {
      return await Promise.race([work(pool.sql), late]);
    } finally {
      cancel();
    }
  }

  /** Lets go of everything at once; statements under way fail. */
  async close(): Promise<void> {
    await this.#pool.end(0);
  }

  /** Other statements of the old pool may finish within their own deadlines; new ones go to new connections. */
  #replace(pool: Pool): void {
    if (pool !== this.#pool) return;
    this.#pool = new Pool(this.#options, this.deadlineMs);
    void pool.end((this.#options.max ?? 1) === 1 ? 0 : this.deadlineMs).catch(() => undefined);
  }
}

class Pool {
  readonly sql: Sql;
  readonly #sockets = new Set<Socket>();

  constructor(options: DatabaseOptions, deadlineMs: number) {
    const settings = {
      max: options.max ?? 1,
      connect_timeout: Math.ceil(deadlineMs / 1000),
      idle_timeout: 0,
      max_lifetime: null,
      fetch_types: false,
      // The caller decides when to try again.
      backoff: () => 0,
      onnotice: () => {},
      connection: { application_name: 'candlecast' },
      socket: (target: SocketTarget) => this.#open(target),
    };
    this.sql = postgres(options.url, { ...settings, ...postgresOptions(options.url) });
  }

  async end(timeoutMs: number): Promise<void> {
    await this.sql.end({ timeout: timeoutMs / 1000 });
    for (const socket of this.#sockets) socket.destroy();
  }

  /**
   * The socket is handed over while it connects: postgres.js would lose the connection slot for good if this failed,
   * but takes an `error` event well.
   */
  #open(target: SocketTarget): Socket {
    const where: NetConnectOpts =
      typeof target.path === 'string'
        ? { path: target.path }
        : { host: target.host[0] ?? 'localhost', port: target.port[0] ?? 5432 };
    const socket = connect(where);
    socket.setNoDelay(true);
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    return socket;
  }
}

/** What postgres.js passes to its `socket` option. */
interface SocketTarget {
  readonly path?: string | false;
  readonly host: readonly string[];
  readonly port: readonly number[];
}
