import { type NodeInfo, parseNode } from './nodes.js';
import { ACQUIRE, BEAT, LEAVE, RELEASE, runScript, type ScriptClient } from './scripts.js';

/** What a beat brought back. */
export interface Beat {
  /** Redis' clock, epoch ms with a fraction. */
  readonly redisTimeMs: number;
  /** For how long Redis has held what it holds. */
  readonly steadyMs: number;
  /** By id. */
  readonly nodes: readonly NodeInfo[];
  /** Partition → node id; not in it = free. */
  readonly holders: ReadonlyMap<string, string>;
}

export interface LeasesOptions {
  readonly redis: ScriptClient;
  /** Before every key. */
  readonly prefix: string;
  readonly node: string;
  readonly partitions: readonly string[];
  readonly leaseMs: number;
  /** What `steadyMs` must have reached before a free lease may be taken. */
  readonly steadyMs: number;
}

/**
 * Leases and the list of live nodes, in Redis: `{cluster}:lease:p0` → node id, expiring; `{cluster}:nodes` node id → info.
 * The braces put all of them on one node of a Redis Cluster. Everything is decided by Redis' clock, in one step a call.
 * A lease says who should own; that two never write is kept by PostgreSQL. Every method rejects when Redis is away.
 */
export class Leases {
  readonly #options: LeasesOptions;
  readonly #nodes: string;
  readonly #since: string;
  readonly #last: string;
  readonly #leases: readonly string[];

  constructor(options: LeasesOptions) {
    this.#options = options;
    const key = (name: string) => clusterKey(options.prefix, name);
    this.#nodes = key('nodes');
    this.#since = key('since');
    this.#last = key('last');
    this.#leases = options.partitions.map((partition) => leaseKey(options.prefix, partition));
  }

  /** Shows this node as alive and renews what it holds, where nobody else has it. */
  async beat(info: object, held: ReadonlySet<string>): Promise<Beat> {
    const { redis, node, partitions, leaseMs } = this.#options;
    const flags = partitions.map((partition) => (held.has(partition) ? '1' : '0')).join('');
    const keys = [this.#nodes, this.#since, this.#last, ...this.#leases];
    const reply = await runScript(redis, BEAT, keys, [node, JSON.stringify(info), String(leaseMs), flags]);
    const [seconds, micros, steadyMs, nodes, holders] = reply as [string, string, number, string[], string[]];
    return {
      redisTimeMs: Number(seconds) * 1000 + Number(micros) / 1000,
      steadyMs,
      nodes: parseNodes(nodes),
      holders: new Map(partitions.map((p, i) => [p, holders[i] ?? ''] as const).filter(([, holder]) => holder !== '')),
    };
  }

  /** @returns who holds it now: this node when it was free; null when it is free but may not be taken yet. */
  async acquire(partition: string): Promise<string | null> {
    const { redis, prefix, node, leaseMs, steadyMs } = this.#options;
    const keys = [this.#since, this.#last, leaseKey(prefix, partition)];
    const holder = await runScript(redis, ACQUIRE, keys, [node, String(leaseMs), String(steadyMs)]);
    return holder === '' ? null : String(holder);
  }

  /** Only where it is this node's. */
  async release(partition: string): Promise<void> {
    const { redis, prefix, node } = this.#options;
    await runScript(redis, RELEASE, [leaseKey(prefix, partition)], [node]);
  }

  /** Takes this node off the list. */
  async leave(): Promise<void> {
    await runScript(this.#options.redis, LEAVE, [this.#nodes], [this.#options.node]);
  }
}

/** @param name one of `nodes`, `since`, `last`, `id` or `lease:…` */
export function clusterKey(prefix: string, name: string): string {
  return `${prefix}{cluster}:${name}`;
}

export function leaseKey(prefix: string, partition: string): string {
  return clusterKey(prefix, `lease:${partition}`);
}

function parseNodes(flat: readonly string[]): NodeInfo[] {
  const nodes: NodeInfo[] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const node = parseNode(flat[i] ?? '', flat[i + 1] ?? '');
    if (node !== null) nodes.push(node);
  }
  return nodes.sort((a, b) => (a.id < b.id ? -1 : 1));
}
