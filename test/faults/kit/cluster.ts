import { Redis } from 'ioredis';
import { partitionOf } from '../../../src/cluster/partitions.js';
import { eventually } from '../../app/support.js';
import { TRADES_FILE } from '../../support/oracle.js';
import { RedisServer } from '../../support/redis.js';
import type { Environment } from '../../support/server.js';
import { auditWrites } from './audit.js';
import { ClusterDatabase } from './cluster-database.js';
import { ClusterNode } from './node.js';
import { FaultProxy } from './proxy.js';

const OWNED_WITHIN_MS = 30_000;
const SETTLED_MS = 1000;

export interface ClusterOptions {
  readonly ingest: number;
  readonly gateways: number;
  /** Each is a replay of the real trades. */
  readonly symbols: readonly string[];
  /** Event time to wall time. 240 = four closed minutes a second. */
  readonly speed: number;
  /** Beside the symbols, such as `push`. */
  readonly moreFeeds?: readonly string[];
  readonly env?: Environment;
  /** The gateways reach Redis through `redisProxy`. */
  readonly proxiesRedis?: boolean;
  /** What gateways do. Default `gateway`. */
  readonly gatewayRoles?: string;
}

/** Real processes: Redis, the embedded TimescaleDB, ingest nodes and gateways. */
export class Cluster {
  private constructor(
    readonly redis: RedisServer,
    /** Between the nodes and Redis. */
    readonly redisProxy: FaultProxy,
    readonly database: ClusterDatabase,
    readonly ingest: readonly ClusterNode[],
    readonly gateways: readonly ClusterNode[],
    readonly options: ClusterOptions,
  ) {}

  /** Resolves when every node is ready. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const [redis, database] = await Promise.all([RedisServer.start(), ClusterDatabase.start()]);
    const redisProxy = await FaultProxy.to({ port: redis.port });
    const env = {
      REDIS_URL: redis.url,
      DATABASE_URL: database.url,
      TIMESCALE_URL: database.url,
      FEEDS: feedsOf(options),
      LOG_LEVEL: 'info',
      ...options.env,
    };
    const make = (role: string, count: number, more: Environment = {}) =>
      Promise.all(
        Array.from({ length: count }, (_, i) => ClusterNode.create(`${role}${i}`, { ...env, ROLES: role, ...more })),
      );
    const ingest = await make('ingest', options.ingest);
    const proxied = { REDIS_URL: `redis://127.0.0.1:${redisProxy.port}` };
    const gateways = await make('gateway', options.gateways, {
      ROLES: options.gatewayRoles ?? 'gateway',
      ...(options.proxiesRedis === true ? proxied : {}),
    });
    const cluster = new Cluster(redis, redisProxy, database, ingest, gateways, options);
    try {
      await auditWrites(database);
      await Promise.all([...ingest, ...gateways].map((node) => node.start()));
      await cluster.owned();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  get nodes(): readonly ClusterNode[] {
    return [...this.ingest, ...this.gateways];
  }

  get ports(): readonly number[] {
    return this.gateways.map(({ port }) => port);
  }

  /** `candles:{symbol}:{interval}` of every symbol. */
  channels(...suffixes: readonly string[]): string[] {
    return this.options.symbols.flatMap((symbol) => suffixes.map((suffix) => `candles:${symbol}:${suffix}`));
  }

  /** Resolves when every symbol has an owner that runs. */
  owned(): Promise<ReadonlyMap<string, ClusterNode | null>> {
    return eventually(
      () => this.owners(),
      (found) => [...found.values()].every((node) => node?.running === true),
      OWNED_WITHIN_MS,
    );
  }

  /** Resolves when no symbol is about to change hands: every ingest node that runs has its share, for a while. */
  async settled(): Promise<void> {
    let since = performance.now();
    let before = '';
    await eventually(
      async () => {
        const owners = [...(await this.owners()).values()].map((node) => node?.name ?? '');
        const counts = this.ingest.map(({ name }) => owners.filter((owner) => owner === name).length);
        const uneven = Math.max(...counts) - Math.min(...counts) > 1 || owners.includes('');
        if (uneven || owners.join() !== before) since = performance.now();
        before = owners.join();
        return performance.now() - since;
      },
      (calmMs) => calmMs > SETTLED_MS,
      OWNED_WITHIN_MS,
    );
  }

  /** Who holds the lease of each symbol now; null = nobody. */
  async owners(): Promise<ReadonlyMap<string, ClusterNode | null>> {
    const redis = new Redis(this.redis.url, { lazyConnect: true });
    try {
      await redis.connect();
      const nodes = await redis.hgetall('{cluster}:nodes');
      const owners = new Map<string, ClusterNode | null>();
      for (const symbol of this.options.symbols) {
        const id = await redis.get(`{cluster}:lease:${partitionOf(symbol)}`);
        const info = id === null ? undefined : nodes[id];
        owners.set(symbol, this.ingest.find(({ port }) => info?.includes(`:${port}"`) === true) ?? null);
      }
      return owners;
    } finally {
      redis.disconnect();
    }
  }

  /** Who died without being killed. */
  get faults(): readonly string[] {
    return this.nodes.flatMap(({ faults }) => faults);
  }

  logs(): [string, string][] {
    return [...this.nodes.map(({ name, log }): [string, string] => [name, log]), ['database', this.database.log]];
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.remove()));
    await Promise.all([this.redis.stop(), this.database.stop(), this.redisProxy.stop()]);
  }
}

function feedsOf({ symbols, speed, moreFeeds = [] }: ClusterOptions): string {
  const replays = symbols.map((symbol) => `replay:${TRADES_FILE}?speed=${speed}&symbol=${symbol}`);
  return [...replays, ...moreFeeds].join(';');
}
