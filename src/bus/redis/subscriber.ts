import type { Redis } from 'ioredis';
import type { Clock } from '../../kit/clock.js';
import type { Log } from '../../kit/log.js';
import { checkRedis, closeRedis, createRedis, type RedisClient } from '../../kit/redis.js';
import { PubSub } from '../../kit/redis-pubsub.js';
import { Shards } from '../../kit/redis-shards.js';
import { slotOf } from '../../kit/redis-slots.js';
import type { Service } from '../../kit/service.js';
import type { HotWindow, SymbolStatus } from '../../market/event.js';
import type { Interval } from '../../market/interval.js';
import type { Position } from '../../market/position.js';
import type { ChannelKey, EventsListener, StatusListener, Subscriber } from '../bus.js';
import { encodeHint } from './listeners.js';
import { decodeMessage } from './message.js';
import { Names } from './names.js';
import { BusUnavailable, readPositions, readWindow } from './read.js';
import { decodeStatusMessage, decodeStored } from './statuses.js';

export interface RedisSubscriberOptions {
  readonly url: string;
  /** Before every key and channel. */
  readonly prefix: string;
  readonly clock: Clock;
  readonly log: Log;
  /** The first epoch of the database. What is here of an older one is of a database that this one has replaced. Default: all is of ours. */
  readonly firstEpoch?: number;
}

/** Counts since the start. */
export interface SubscriberStats {
  messages: number;
  events: number;
  bytes: number;
  /** Messages on our channels that are not ours: counted, never delivered. */
  foreign: number;
  /** Times that `up` became false. */
  downs: number;
}

const TICK_MS = 1000;
/** Channels that are only read are asked for at most this often. */
const REFRESH_MS = 1000;
const ASKED_KEPT = 10_000;
/** Foreign messages come in floods; one line in this time tells of them. */
const LOG_MS = 10_000;

/** The gateway side over Redis: one connection that receives (one to each master of a cluster), one for commands. */
export class RedisSubscriber implements Subscriber, Service {
  readonly name = 'redis subscriber';
  readonly stats: SubscriberStats = { messages: 0, events: 0, bytes: 0, foreign: 0, downs: 0 };
  readonly #options: RedisSubscriberOptions;
  readonly #names: Names;
  readonly #eventListeners = new Set<EventsListener>();
  readonly #statusListeners = new Set<StatusListener>();
  readonly #upListeners = new Set<(up: boolean) => void>();
  readonly #statuses = new Map<string, SymbolStatus>();
  /** Live channel → its key, of those subscribed. */
  readonly #channels = new Map<string, ChannelKey>();
  /** When a channel that nobody subscribes was asked for, by live channel. */
  readonly #askedAt = new Map<string, number>();
  /** Symbols whose status came by itself since the hash of all was asked for. */
  #fresh = new Set<string>();
  #client: RedisClient | null = null;
  #shards: Shards | null = null;
  #pubsub: PubSub | null = null;
  #up = false;
  /** Redis takes writes: where it does not, nothing new is published. */
  #writable = true;
  #loggedAt = Number.NEGATIVE_INFINITY;
  #stopTick: () => void = () => {};

  constructor(options: RedisSubscriberOptions) {
    this.#options = options;
    this.#names = new Names(options.url, options.prefix);
  }

  /** Resolves when it is up. @throws UserError where Redis cannot be used. */
  async start(): Promise<void> {
    const { url, prefix, clock, log } = this.#options;
    const client = createRedis(url, { name: 'candlecast-reader', log });
    this.#client = client;
    try {
      await checkRedis(client, url, prefix);
    } catch (error) {
      closeRedis(client);
      throw error;
    }
    const onChange = () => this.#changed();
    this.#shards = new Shards(client, onChange, onChange);
    this.#pubsub = new PubSub({
      url,
      name: 'candlecast-subscriber',
      clock,
      log,
      shards: this.#shards,
      onMessage: (channel, text) => this.#hear(channel, text),
      onChange,
    });
    this.#pubsub.want(this.#names.statusLive, false).catch(() => {});
    this.#stopTick = clock.every(TICK_MS, () => void this.#probe());
    if (!this.#up) {
      await new Promise<void>((resolve) => {
        const stop = this.onUp(() => {
          stop();
          resolve();
        });
      });
    }
    await this.#loadStatuses();
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

  onEvents(listener: EventsListener): () => void {
    this.#eventListeners.add(listener);
    return () => this.#eventListeners.delete(listener);
  }

  onStatus(listener: StatusListener): () => void {
    this.#statusListeners.add(listener);
    return () => this.#statusListeners.delete(listener);
  }

  statuses(): readonly SymbolStatus[] {
    return [...this.#statuses.values()].sort((a, b) => (a.symbol < b.symbol ? -1 : 1));
  }

  async subscribe(symbol: string, interval: Interval): Promise<void> {
    const pubsub = this.#pubsub;
    if (pubsub === null || !this.#connected) throw new BusUnavailable('Redis is away');
    const live = this.#names.live(symbol, interval);
    const isNew = !this.#channels.has(live);
    this.#channels.set(live, { symbol, interval });
    try {
      await pubsub.want(live, this.#names.cluster);
    } catch (error) {
      if (isNew) this.unsubscribe(symbol, interval);
      throw new BusUnavailable(`Redis does not take the subscription: ${(error as Error).message}`);
    }
    if (isNew) this.#hint({ symbol, interval });
  }

  unsubscribe(symbol: string, interval: Interval): void {
    const live = this.#names.live(symbol, interval);
    this.#channels.delete(live);
    this.#pubsub?.drop(live);
  }

  async window(symbol: string, interval: Interval): Promise<HotWindow | null> {
    const names = this.#names.of(symbol, interval);
    const window = await readWindow(this.#node(slotOf(names.window)), names, symbol, interval);
    if (window === 'foreign') {
      this.#foreign(names.window);
      throw new BusUnavailable(`${names.window} holds something else`);
    }
    if (window !== null && window.epoch >= (this.#options.firstEpoch ?? 0)) {
      this.#keepFresh({ symbol, interval });
      return window;
    }
    const status = this.#statuses.get(symbol);
    if (status === undefined || status.state === 'ended') return null;
    this.#hint({ symbol, interval });
    throw new BusUnavailable(`no window of ${symbol} ${interval} in Redis yet`);
  }

  async positions(channels: readonly ChannelKey[]): Promise<readonly (Position | null)[]> {
    if (!this.#connected) throw new BusUnavailable('Redis is away');
    const states = channels.map(({ symbol, interval }) => this.#names.of(symbol, interval).state);
    return readPositions((slot) => this.#node(slot), states);
  }

  #node(slot: number): Redis {
    const node = this.#shards?.of(slot) ?? null;
    if (node === null) throw new BusUnavailable('Redis is away');
    return node;
  }

  /** What nobody subscribes is stored when a minute closes: whoever reads it again gets the open candle as it is by then. */
  #keepFresh(channel: ChannelKey): void {
    const live = this.#names.live(channel.symbol, channel.interval);
    if (this.#channels.has(live)) return;
    const now = this.#options.clock.now();
    if (now - (this.#askedAt.get(live) ?? Number.NEGATIVE_INFINITY) < REFRESH_MS) return;
    if (this.#askedAt.size >= ASKED_KEPT) this.#askedAt.clear();
    this.#askedAt.set(live, now);
    this.#hint(channel);
  }

  /** So that the open candle comes now and not with the publisher's next look around. */
  #hint(channel: ChannelKey): void {
    const node = this.#shards?.of(slotOf(this.#names.demand)) ?? null;
    node?.publish(this.#names.demand, encodeHint(channel)).catch(() => {});
  }

  #hear(name: string, text: string): void {
    const channel = this.#channels.get(name);
    if (channel) this.#hearEvents(channel, name, text);
    else if (name === this.#names.statusLive) this.#hearStatus(text);
  }

  #hearEvents({ symbol, interval }: ChannelKey, name: string, text: string): void {
    this.stats.messages++;
    this.stats.bytes += text.length;
    const events = decodeMessage(symbol, interval, text);
    if (events === null) this.#foreign(name);
    if (events === null || events.length === 0) return;
    this.stats.events += events.length;
    for (const listener of this.#eventListeners) listener(events);
  }

  #hearStatus(text: string): void {
    const changed = decodeStatusMessage(text);
    if (changed === null) this.#foreign(this.#names.statusLive);
    for (const { symbol } of changed ?? []) this.#fresh.add(symbol);
    if (changed !== null) this.#setStatuses(changed);
  }

  #setStatuses(changed: readonly SymbolStatus[]): void {
    for (const status of changed) this.#statuses.set(status.symbol, status);
    for (const listener of this.#statusListeners) listener(changed);
  }

  /** A status that came by itself meanwhile is newer than what the hash held. */
  async #loadStatuses(): Promise<void> {
    this.#fresh = new Set();
    const fresh = this.#fresh;
    let stored: Record<string, string>;
    try {
      stored = await this.#node(slotOf(this.#names.statuses)).hgetall(this.#names.statuses);
    } catch {
      // A connection that is lost now loads them when it is back.
      return;
    }
    const known = Object.values(stored).map(decodeStored);
    const changed = known.filter((status) => status !== null).filter((status) => this.#isNews(status, fresh));
    if (changed.length > 0) this.#setStatuses(changed);
  }

  #isNews(status: SymbolStatus, fresh: ReadonlySet<string>): boolean {
    if (fresh.has(status.symbol)) return false;
    return JSON.stringify(status) !== JSON.stringify(this.#statuses.get(status.symbol));
  }

  #foreign(name: string): void {
    this.stats.foreign++;
    const now = this.#options.clock.now();
    if (now - this.#loggedAt < LOG_MS) return;
    this.#loggedAt = now;
    const words = 'somebody else uses our names in Redis: give each cluster a REDIS_PREFIX of its own';
    this.#options.log.error({ name, count: this.stats.foreign }, words);
  }

  async #probe(): Promise<void> {
    const writable = (await this.#shards?.probe(this.#options.prefix)) ?? true;
    if (writable === this.#writable) return;
    this.#writable = writable;
    if (writable) this.#options.log.info({}, 'Redis takes writes again');
    else this.#options.log.error({}, 'Redis refuses writes: what clients get is old before it takes them again');
    this.#changed();
  }

  get #connected(): boolean {
    return (this.#pubsub?.up ?? false) && (this.#shards?.up ?? false);
  }

  #changed(): void {
    const up = this.#connected && this.#writable;
    if (up === this.#up) return;
    this.#up = up;
    if (up) void this.#loadStatuses();
    else this.stats.downs++;
    for (const listener of this.#upListeners) listener(up);
  }
}
