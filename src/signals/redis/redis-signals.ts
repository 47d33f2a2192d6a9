import type { Redis } from 'ioredis';
import type { Clock } from '../../kit/clock.js';
import type { Log } from '../../kit/log.js';
import { Overdue } from '../../kit/overdue.js';
import { checkRedis, closeRedis, createRedis, type RedisClient } from '../../kit/redis.js';
import { PubSub } from '../../kit/redis-pubsub.js';
import { Shards } from '../../kit/redis-shards.js';
import { slotOf } from '../../kit/redis-slots.js';
import type { Service } from '../../kit/service.js';
import { LATEST, type SignalCache } from '../cache.js';
import { type HintListener, type SignalHints, toHints } from '../hints.js';
import type { StoredSignal } from '../signal.js';
import type { ListedSignal } from '../wire.js';
import { decodeLatest, encodeElements, LATEST_SECONDS } from './latest.js';
import { decodeHint, encodeHint } from './message.js';
import { Names } from './names.js';
import { loadScript, Outbox } from './outbox.js';

export interface RedisSignalsOptions {
  readonly url: string;
  /** Before every key and channel. */
  readonly prefix: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Counts since the start. */
export interface RedisSignalsStats {
  published: number;
  /** Hints that were not sent, or nobody knows: who waits for them asks PostgreSQL. */
  lost: number;
  received: number;
  /** Messages on our channels that are not ours. */
  foreign: number;
}

const TICK_MS = 1000;

/** Hints between nodes, and the cache of the latest signals. One connection that receives, one for commands. */
export class RedisSignals implements SignalHints, SignalCache, Service {
  readonly name = 'redis signals';
  readonly stats: RedisSignalsStats = { published: 0, lost: 0, received: 0, foreign: 0 };
  /** Users whose cached signals were to be dropped while Redis was away: nothing of somebody who was deleted stays. */
  readonly overdue = new Overdue();
  readonly #options: RedisSignalsOptions;
  readonly #names: Names;
  readonly #outbox = new Outbox(this.stats);
  readonly #hintListeners = new Set<HintListener>();
  readonly #upListeners = new Set<(up: boolean) => void>();
  #client: RedisClient | null = null;
  #shards: Shards | null = null;
  #pubsub: PubSub | null = null;
  #up = false;
  #stopTick: () => void = () => {};

  constructor(options: RedisSignalsOptions) {
    this.#options = options;
    this.#names = new Names(options.url, options.prefix);
  }

  /** Resolves when Redis can be used; that may be before `up`. @throws UserError where it cannot be. */
  async start(): Promise<void> {
    const { url, prefix, clock, log } = this.#options;
    const client = createRedis(url, { name: 'candlecast-signals', log });
    this.#client = client;
    try {
      await checkRedis(client, url, prefix);
    } catch (error) {
      closeRedis(client);
      throw error;
    }
    const onChange = () => this.#changed();
    const onReady = (node: Redis) => {
      loadScript(node);
      onChange();
    };
    this.#shards = new Shards(client, onReady, onChange);
    this.#pubsub = new PubSub({
      url,
      name: 'candlecast-signals-subscriber',
      clock,
      log,
      shards: this.#shards,
      onMessage: (channel, text) => this.#hear(channel, text),
      onChange,
    });
    this.#stopTick = clock.every(TICK_MS, () => {
      // A connection that does not answer is made anew by it.
      void this.#shards?.probe(prefix);
      void this.overdue.redo((userId) => this.#delete(userId));
    });
    this.#changed();
  }

  async stop(): Promise<void> {
    this.#stopTick();
    this.#pubsub?.close();
    if (this.#client) closeRedis(this.#client);
  }

  get up(): boolean {
    return this.#up;
  }

  onUp(listener: (up: boolean) => void): () => void {
    this.#upListeners.add(listener);
    return () => this.#upListeners.delete(listener);
  }

  onHint(listener: HintListener): () => void {
    this.#hintListeners.add(listener);
    return () => this.#hintListeners.delete(listener);
  }

  async subscribe(userId: string): Promise<void> {
    if (this.#pubsub === null) throw new Error('not started');
    await this.#pubsub.want(this.#names.live(userId), this.#names.cluster);
  }

  unsubscribe(userId: string): void {
    this.#pubsub?.drop(this.#names.live(userId));
  }

  publish(signals: readonly StoredSignal[]): void {
    const hints = toHints(signals);
    if (this.#outbox.isFull) {
      this.stats.lost += hints.length;
      return;
    }
    for (const hint of hints) {
      const { userId, seq, signals: own } = hint;
      const [channel, key] = [this.#names.live(userId), this.#names.latest(userId)];
      const sent = this.#outbox.publish(this.#node(channel), channel, encodeHint(hint), this.#names.cluster);
      if (!sent) this.stats.lost++;
      this.#outbox.prepend(this.#node(key), key, seq - own.length, own);
    }
    this.#outbox.flush();
  }

  async latest(userId: string): Promise<readonly ListedSignal[] | null> {
    const key = this.#names.latest(userId);
    const text = await this.#node(key)
      ?.get(key)
      .catch(() => null);
    return text == null ? null : decodeLatest(text);
  }

  keep(userId: string, signals: readonly StoredSignal[]): void {
    if (signals.length === 0) return;
    const key = this.#names.latest(userId);
    const elements = encodeElements(signals.slice(0, LATEST).reverse());
    this.#node(key)
      ?.set(key, `[${elements}]`, 'EX', LATEST_SECONDS)
      .catch(() => {});
  }

  drop(userId: string): void {
    void this.overdue.attempt(userId, () => this.#delete(userId));
  }

  async #delete(userId: string): Promise<void> {
    const key = this.#names.latest(userId);
    const node = this.#node(key);
    if (node === null) throw new Error('Redis is away');
    await node.del(key);
  }

  #hear(channel: string, text: string): void {
    const userId = this.#names.userOf(channel);
    if (userId === null) return;
    const hint = decodeHint(userId, text);
    if (hint === null) {
      this.stats.foreign++;
      return;
    }
    this.stats.received++;
    for (const listener of this.#hintListeners) listener(hint);
  }

  #node(key: string): Redis | null {
    return this.#shards?.of(slotOf(key)) ?? null;
  }

  #changed(): void {
    const up = (this.#pubsub?.up ?? false) && (this.#shards?.up ?? false);
    if (up === this.#up) return;
    this.#up = up;
    for (const listener of this.#upListeners) listener(up);
  }
}
