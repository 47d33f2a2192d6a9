import { connect, type NetConnectOpts, type Socket } from 'node:net';
import postgres from 'postgres';
import type { Clock } from '../../kit/clock.js';
import { DurationHistogram } from '../../kit/histogram.js';
import { DeadlineError } from '../deadline-error.js';
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

export type Sql = postgres.Sql;

const DEFAULT_DEADLINE_MS = 10_000;

/**
 * Connections of postgres.js with what the driver lacks: a deadline on every statement that gives the connection up (a
 * frozen server answers no cancel request either), and TCP_NODELAY.
 *
 * Each connection is a client of its own, used by one caller at a time and never again once it was lost: postgres.js
 * 3.4.9 connects anew with what the lost connection left behind, and rows of an answer that was cut off would come
 * before those of the next one.
 */
export class Database {
  readonly deadlineMs: number;
  /** Of the work on a connection, the failed included; waiting for one is not part of it. */
  readonly durations = new DurationHistogram();
  /** Work that was rejected, by the server or for want of an answer. */
  failures = 0;
  readonly #options: DatabaseOptions;
  readonly #free: Client[];
  readonly #busy = new Set<Client>();
  readonly #waiting: ((client: Client) => void)[] = [];
  #closed = false;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.deadlineMs = options.deadlineMs ?? DEFAULT_DEADLINE_MS;
    this.#free = Array.from({ length: options.max ?? 1 }, () => new Client(options, this.deadlineMs));
  }

  /** Runs single statements on a connection; waits for a free one. Not to be nested. @throws DeadlineError, or what `work` throws */
  async run<T>(work: (sql: Sql) => Promise<T>, deadlineMs: number = this.deadlineMs): Promise<T> {
    let cancel = (): void => {};
    const late = new Promise<never>((_, reject) => {
      cancel = this.#options.clock.after(deadlineMs, () => reject(new DeadlineError(deadlineMs)));
    });
    late.catch(() => undefined);
    try {
      return await this.#use(await this.#take(late), work, late);
    } catch (error) {
      this.failures++;
      throw error;
    } finally {
      cancel();
    }
  }

  /** Lets go of everything at once; statements under way fail. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#free, ...this.#busy].map((client) => client.end()));
  }

  /** Work that waits for a connection. */
  get waiting(): number {
    return this.#waiting.length;
  }

  async #use<T>(client: Client, work: (sql: Sql) => Promise<T>, late: Promise<never>): Promise<T> {
    const { clock } = this.#options;
    const began = clock.now();
    try {
      const value = await Promise.race([work(client.sql), late]);
      this.#release(client);
      return value;
    } catch (error) {
      this.#release(error instanceof postgres.PostgresError ? client : this.#renew(client));
      throw error;
    } finally {
      this.durations.observe(clock.now() - began);
    }
  }

  async #take(late: Promise<never>): Promise<Client> {
    const free = this.#free.pop();
    if (free !== undefined) {
      this.#busy.add(free);
      return free;
    }
    let turn = (_: Client): void => {};
    const client = new Promise<Client>((resolve) => {
      turn = resolve;
    });
    this.#waiting.push(turn);
    try {
      return await Promise.race([client, late]);
    } catch (error) {
      const place = this.#waiting.indexOf(turn);
      if (place >= 0) this.#waiting.splice(place, 1);
      else this.#release(await client);
      throw error;
    }
  }

  #release(client: Client): void {
    const next = this.#waiting.shift();
    if (next !== undefined) {
      next(client);
      return;
    }
    this.#busy.delete(client);
    this.#free.push(client);
  }

  /** The same place with a new connection. */
  #renew(lost: Client): Client {
    if (this.#closed) return lost;
    this.#busy.delete(lost);
    void lost.end().catch(() => undefined);
    const client = new Client(this.#options, this.deadlineMs);
    this.#busy.add(client);
    return client;
  }
}

class Client {
  readonly sql: Sql;
  readonly #sockets = new Set<Socket>();

  constructor(options: DatabaseOptions, deadlineMs: number) {
    const settings = {
      max: 1,
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

  async end(): Promise<void> {
    await this.sql.end({ timeout: 0 });
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
