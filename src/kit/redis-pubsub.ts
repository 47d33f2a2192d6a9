import { Redis } from 'ioredis';
import type { Clock } from './clock.js';
import type { Log } from './log.js';
import { createNodeRedis, createRedis, parseRedisUrl } from './redis.js';
import { Link } from './redis-link.js';
import type { Shards } from './redis-shards.js';
import { slotOf } from './redis-slots.js';

export interface PubSubOptions {
  readonly url: string;
  /** Of the connections. */
  readonly name: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Tells which node of a cluster has which channel. */
  readonly shards: Shards;
  onMessage(channel: string, message: string): void;
  /** `up` may have changed. */
  onChange(): void;
}

const PLACE_MS = 1000;
const SINGLE = '';
const CLASSIC = ' classic';

/**
 * Subscriptions: one connection to a single Redis, one to each master of a cluster, where a channel is with its slot. In a
 * cluster channels that are not sharded have a connection of their own: when the last sharded one of a connection ends,
 * ioredis takes it for not subscribed at all and drops messages.
 */
export class PubSub {
  readonly #options: PubSubOptions;
  readonly #isCluster: boolean;
  readonly #links = new Map<string, Link>();
  /** Channels whose node is not known, with whether they are sharded. */
  readonly #unplaced = new Map<string, boolean>();
  #stopPlacing: () => void = () => {};

  constructor(options: PubSubOptions) {
    this.#options = options;
    this.#isCluster = parseRedisUrl(options.url)?.kind === 'cluster';
    if (this.#isCluster) {
      this.#place();
      this.#stopPlacing = options.clock.every(PLACE_MS, () => this.#place());
    } else {
      const { url, name, log } = options;
      const redis = createRedis(url, { name, log });
      if (redis instanceof Redis) this.#links.set(SINGLE, this.#link(redis));
    }
  }

  /** Every wanted channel is subscribed. */
  get up(): boolean {
    if (this.#links.size === 0 || this.#unplaced.size > 0) return false;
    for (const link of this.#links.values()) if (!link.up) return false;
    return true;
  }

  /** Resolves when every later message will come. Rejects while it cannot be; it is wanted all the same. */
  async want(channel: string, sharded: boolean): Promise<void> {
    const link = this.#linkOf(channel, sharded);
    if (link === null) {
      this.#unplaced.set(channel, sharded);
      this.#options.onChange();
      throw new Error('the node of the channel is not known now');
    }
    await link.want(channel, sharded);
  }

  drop(channel: string): void {
    this.#unplaced.delete(channel);
    for (const link of this.#links.values()) link.drop(channel);
  }

  close(): void {
    this.#stopPlacing();
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }

  #linkOf(channel: string, sharded: boolean): Link | null {
    if (!this.#isCluster) return this.#links.get(SINGLE) ?? null;
    const owner = this.#options.shards.ownerOf(slotOf(channel));
    if (owner === null) return null;
    const key = sharded ? owner : `${owner}${CLASSIC}`;
    if (!sharded && !this.#links.has(key)) this.#links.set(key, this.#nodeLink(owner));
    return this.#links.get(key) ?? null;
  }

  /** Follows the cluster: links to the masters that there are, channels where their slots are. */
  #place(): void {
    const owners = this.#options.shards.owners();
    // While nothing is known, what was known stays.
    if (owners.size === 0) return;
    for (const owner of owners) if (!this.#links.has(owner)) this.#links.set(owner, this.#nodeLink(owner));
    for (const [key, link] of [...this.#links]) {
      for (const [channel, sharded] of [...link.channels]) {
        if (this.#linkOf(channel, sharded) === link) continue;
        link.drop(channel);
        this.#unplaced.set(channel, sharded);
      }
      if (owners.has(key) || link.channels.size > 0) continue;
      link.close();
      this.#links.delete(key);
    }
    for (const [channel, sharded] of this.#unplaced) void this.#move(channel, sharded);
    this.#options.onChange();
  }

  async #move(channel: string, sharded: boolean): Promise<void> {
    const link = this.#linkOf(channel, sharded);
    if (link === null) return;
    try {
      await link.want(channel, sharded);
      this.#unplaced.delete(channel);
      this.#options.onChange();
    } catch {
      // A link that is away subscribes what is wanted when it is back; a refusal is tried again with the next placing.
      if (!link.up) this.#unplaced.delete(channel);
    }
  }

  #nodeLink(address: string): Link {
    const { url, name, log } = this.#options;
    const colon = address.lastIndexOf(':');
    return this.#link(createNodeRedis(url, address.slice(0, colon), Number(address.slice(colon + 1)), { name, log }));
  }

  #link(redis: Redis): Link {
    const { clock, log, onMessage, onChange, shards } = this.#options;
    return new Link(redis, clock, log, {
      onMessage,
      onChange,
      onMoved: () => {
        shards.refresh();
        if (this.#isCluster) clock.after(50, () => this.#place());
      },
    });
  }
}
