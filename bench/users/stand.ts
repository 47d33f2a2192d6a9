/** A cluster with accounts: what belongs to users is in a PostgreSQL of its own, as on a server, with fsync. */

import { silentLog } from '../../src/kit/log.js';
import { openPool, type Pool } from '../../src/store/relational.js';
import { JWT_SECRET, TestAccounts } from '../../test/faults/kit/accounts.js';
import { realPostgres } from '../../test/support/database.js';
import type { Environment, Server } from '../../test/support/server.js';
import { Cluster } from '../cluster/nodes.js';
import { Worker } from '../fanout/process.js';

/** Where the load runs; nodes and databases go where the system puts them. */
export const LOAD_CORE = 1;

// Whoever has not logged in is held to the first.
const PLANS = JSON.stringify({
  free: { connections: 100_000, channels: 10_000 },
  pro: { signalsPerDay: 1_000_000, rules: 1_000_000 },
});

export class Stand {
  #pool: Pool | null = null;

  private constructor(
    readonly cluster: Cluster,
    private readonly databaseUrl: string,
  ) {}

  static async start(): Promise<Stand> {
    const [cluster, postgres] = await Promise.all([Cluster.start(), realPostgres({ fsync: true })]);
    cluster.keep(() => postgres.stop());
    return new Stand(cluster, postgres.url);
  }

  node(roles: string, env: Environment = {}): Promise<Server> {
    const own = { ROLES: roles, DATABASE_URL: this.databaseUrl, TIMESCALE_URL: this.cluster.databaseUrl };
    return this.cluster.node('gateway', { ...own, JWT_SECRET, PLANS, ...env });
  }

  /** When a node is there: it makes the tables. */
  async accounts(): Promise<TestAccounts> {
    const accounts = await TestAccounts.in({ url: this.databaseUrl });
    this.cluster.keep(() => accounts.stop());
    return accounts;
  }

  /** As many connections as a node has. */
  pool(): Pool {
    this.#pool ??= openPool({ url: this.databaseUrl, log: silentLog, deadlineMs: 60_000 });
    return this.#pool;
  }

  worker(script: string, core = LOAD_CORE): Worker {
    const worker = new Worker(script, core);
    this.cluster.keep(() => worker.stop());
    return worker;
  }

  async stop(): Promise<void> {
    await this.#pool?.close();
    await this.cluster.stop();
  }
}
