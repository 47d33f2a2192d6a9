/** The parts of a cluster, each a process as it runs in production. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testDataDir } from '../../test/support/database.js';
import { RedisServer } from '../../test/support/redis.js';
import { DatabaseServer, type Environment, Server } from '../../test/support/server.js';

/** Redis and the embedded TimescaleDB behind `candlecast db`, with the nodes that were started. */
export class Cluster {
  readonly #undo: (() => Promise<unknown>)[] = [];

  private constructor(
    readonly redis: RedisServer,
    readonly database: DatabaseServer,
    /** Where nodes find the database, if not at its own address. */
    public databaseUrl: string,
  ) {}

  static async start(): Promise<Cluster> {
    const redis = await RedisServer.start();
    const dataDir = await testDataDir();
    const database = await DatabaseServer.start(dataDir);
    const cluster = new Cluster(redis, database, database.url);
    cluster.#undo.push(
      () => rm(dataDir, { recursive: true, force: true, maxRetries: 5 }),
      () => database.stop(),
      () => redis.stop(),
    );
    return cluster;
  }

  /** Resolves when it is ready. */
  async node(roles: 'ingest' | 'gateway', env: Environment = {}): Promise<Server> {
    const directory = await mkdtemp(join(tmpdir(), 'candlecast-bench-'));
    this.keep(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }));
    const server = await Server.start({
      ROLES: roles,
      REDIS_URL: this.redis.url,
      DATABASE_URL: this.databaseUrl,
      DATA_DIR: directory,
      FEEDS: 'push',
      LOG_LEVEL: 'warn',
      ...env,
    });
    this.keep(() => server.stop('SIGKILL'));
    return server;
  }

  keep(undo: () => Promise<unknown>): void {
    this.#undo.push(undo);
  }

  async stop(): Promise<void> {
    for (const undo of this.#undo.reverse()) await undo();
  }
}

/** `candlecast_` metrics of a node by the name with its labels, as they stand on the page. */
export async function metricsOf(server: Server): Promise<ReadonlyMap<string, number>> {
  const page = await (await fetch(`${server.url}/metrics`)).text();
  const found = new Map<string, number>();
  for (const line of page.split('\n')) {
    const space = line.lastIndexOf(' ');
    if (line.startsWith('candlecast_')) found.set(line.slice('candlecast_'.length, space), Number(line.slice(space)));
  }
  return found;
}

/** Asks until it is so. */
export async function until(
  condition: () => Promise<boolean> | boolean,
  pollMs = 10,
  withinMs = 300_000,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error('it does not get there');
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}
