import { Redis } from 'ioredis';
import type { Clock } from './clock.js';
import { type RedisClient, resetConnection } from './redis.js';
import { slotOf } from './redis-slots.js';

const PROBE_EXPIRY_MS = 5000;
const PROBE_KEYS_TRIED = 1000;
const UP_MS = 3000;
const UP_POLL_MS = 10;

/**
 * Command connections by hash slot: the only one of a single Redis, or those to the masters of a cluster. Commands go to a
 * node's own connection, so that their order is kept and nothing is queued or sent again behind our back.
 */
export class Shards {
  readonly #client: RedisClient;
  readonly #onReady: (node: Redis) => void;
  readonly #onLost: () => void;
  readonly #nodes = new Map<string, Redis>();

  /** `onReady`: a connection is there, anew or for the first time; what went over the one before may be lost. */
  constructor(client: RedisClient, onReady: (node: Redis) => void, onLost: () => void) {
    this.#client = client;
    this.#onReady = onReady;
    this.#onLost = onLost;
    if (client instanceof Redis) this.#watch(client);
    else {
      for (const node of client.nodes('all')) this.#add(node);
      client.on('+node', (node: Redis) => this.#add(node));
      client.on('-node', (node: Redis) => this.#remove(node));
    }
  }

  /** null: it cannot be used now. */
  of(slot: number): Redis | null {
    const client = this.#client;
    const node = client instanceof Redis ? client : this.#nodes.get(this.ownerOf(slot) ?? '');
    if (node === undefined) return null;
    if (node.status === 'wait') node.connect().catch(() => {});
    return node.status === 'ready' ? node : null;
  }

  /** host:port of the cluster node that has the slot; null while that is not known. */
  ownerOf(slot: number): string | null {
    return this.#client instanceof Redis ? null : (this.#client.slots[slot]?.[0] ?? null);
  }

  masters(): Redis[] {
    const nodes = this.#client instanceof Redis ? [this.#client] : this.#client.nodes('master');
    for (const node of nodes) if (node.status === 'wait') node.connect().catch(() => {});
    return nodes;
  }

  /** host:port of every cluster node that has slots. */
  owners(): Set<string> {
    const owners = new Set<string>();
    if (this.#client instanceof Redis) return owners;
    for (const nodes of this.#client.slots) if (nodes?.[0] !== undefined) owners.add(nodes[0]);
    return owners;
  }

  /** Every node answers as far as is known. */
  get up(): boolean {
    if (this.#client.status !== 'ready') return false;
    return this.#client instanceof Redis || this.masters().every((node) => node.status === 'ready');
  }

  /** Resolves when `up`, or after a while: then what is there has to do. */
  async whenUp(clock: Clock): Promise<void> {
    const deadline = clock.now() + UP_MS;
    while (!this.up && clock.now() < deadline) await new Promise<void>((resolve) => clock.after(UP_POLL_MS, resolve));
  }

  /** A node said that it does not have the slot: asks who has. */
  refresh(): void {
    if (!(this.#client instanceof Redis)) this.#client.refreshSlotsCache(() => {});
  }

  /**
   * Writes a key that expires soon on every node: one that is full, or may not write, still answers all other questions. A
   * connection that does not answer in time is made anew. @returns whether all that answer take writes.
   */
  async probe(prefix: string): Promise<boolean> {
    const taken = await Promise.all(this.#probeKeys(prefix).map((key) => this.#probeOne(key)));
    return taken.every(Boolean);
  }

  async #probeOne(key: string): Promise<boolean> {
    const node = this.of(slotOf(key));
    try {
      await node?.set(key, '1', 'PX', PROBE_EXPIRY_MS);
      return true;
    } catch (error) {
      const { message } = error as Error;
      if (message.includes('timed out') && node) resetConnection(node);
      return !/^(OOM|MISCONF|READONLY|NOREPLICAS)/.test(message);
    }
  }

  /** One key for each node. */
  #probeKeys(prefix: string): string[] {
    const keys = new Map<string | null, string>();
    const count = Math.max(1, this.owners().size);
    for (let i = 0; keys.size < count && i < PROBE_KEYS_TRIED; i++) {
      const key = `${prefix}probe:${i}`;
      const owner = this.ownerOf(slotOf(key));
      if (!keys.has(owner)) keys.set(owner, key);
    }
    return [...keys.values()];
  }

  #add(node: Redis): void {
    const { host, port } = node.options;
    this.#nodes.set(`${host}:${port}`, node);
    this.#watch(node);
  }

  #remove(node: Redis): void {
    const key = `${node.options.host}:${node.options.port}`;
    if (this.#nodes.get(key) === node) this.#nodes.delete(key);
    this.#onLost();
  }

  #watch(node: Redis): void {
    node.on('ready', () => this.#onReady(node));
    node.on('close', () => this.#onLost());
    if (node.status === 'ready') this.#onReady(node);
  }
}
