import type { Redis } from 'ioredis';
import type { Clock } from './clock.js';
import type { Log } from './log.js';
import { closeRedis, resetConnection } from './redis.js';

export interface LinkEvents {
  onMessage(channel: string, message: string): void;
  /** `up` may have changed. */
  onChange(): void;
  /** The node does not have the slot of a channel any more. */
  onMoved(): void;
}

const PING_MS = 1000;
const RETRY_MS = 250;
const CHANNELS_A_COMMAND = 256;

/**
 * One connection that receives. It subscribes everything again after every break, and is `up` only once that is done. A
 * peer that is frozen shows nothing, so it is asked every second and left when it does not answer within one.
 */
export class Link {
  up = false;
  readonly #redis: Redis;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #events: LinkEvents;
  /** Channel → whether it is sharded. */
  readonly #wanted = new Map<string, boolean>();
  readonly #stopPings: () => void;
  #stopRetry: () => void = () => {};
  #connection = 0;

  constructor(redis: Redis, clock: Clock, log: Log, events: LinkEvents) {
    this.#redis = redis;
    this.#clock = clock;
    this.#log = log;
    this.#events = events;
    redis.on('ready', () => this.#begin());
    redis.on('close', () => this.#lost());
    redis.on('moved', () => events.onMoved());
    const hear = (channel: string, message: string) => {
      if (this.#wanted.has(channel)) events.onMessage(channel, message);
    };
    redis.on('message', hear);
    redis.on('smessage', hear);
    this.#stopPings = clock.every(PING_MS, () => this.#ping());
    if (redis.status === 'ready') this.#begin();
  }

  get channels(): ReadonlyMap<string, boolean> {
    return this.#wanted;
  }

  /** Resolves when every later message will come. Rejects while the connection is away; the channel is wanted all the same. */
  async want(channel: string, sharded: boolean): Promise<void> {
    this.#wanted.set(channel, sharded);
    await (sharded ? this.#redis.ssubscribe(channel) : this.#redis.subscribe(channel));
  }

  drop(channel: string): void {
    const sharded = this.#wanted.get(channel);
    if (sharded === undefined) return;
    this.#wanted.delete(channel);
    if (this.#redis.status !== 'ready') return;
    const done = sharded ? this.#redis.sunsubscribe(channel) : this.#redis.unsubscribe(channel);
    // A connection that is lost has no subscriptions.
    done.catch(() => {});
  }

  close(): void {
    this.#stopPings();
    this.#stopRetry();
    this.#wanted.clear();
    closeRedis(this.#redis);
  }

  #begin(): void {
    this.#connection++;
    void this.#subscribeAll(this.#connection);
  }

  async #subscribeAll(connection: number): Promise<void> {
    try {
      await Promise.all(this.#commands());
    } catch (error) {
      if (connection === this.#connection && this.#redis.status === 'ready') this.#refused(error as Error);
      return;
    }
    if (connection !== this.#connection || this.#redis.status !== 'ready') return;
    this.up = true;
    this.#events.onChange();
  }

  #commands(): Promise<unknown>[] {
    const commands: Promise<unknown>[] = [];
    const classic = [...this.#wanted].filter(([, sharded]) => !sharded).map(([channel]) => channel);
    for (let i = 0; i < classic.length; i += CHANNELS_A_COMMAND)
      commands.push(this.#redis.subscribe(...classic.slice(i, i + CHANNELS_A_COMMAND)));
    // A sharded command takes channels of one slot only.
    for (const [channel, sharded] of this.#wanted) if (sharded) commands.push(this.#redis.ssubscribe(channel));
    return commands;
  }

  #refused(error: Error): void {
    if (error.message.startsWith('MOVED')) this.#events.onMoved();
    else this.#log.error({ error: error.message }, 'Redis refuses subscriptions');
    const connection = this.#connection;
    this.#stopRetry = this.#clock.after(RETRY_MS, () => {
      if (connection === this.#connection) void this.#subscribeAll(connection);
    });
  }

  #lost(): void {
    this.#connection++;
    this.#stopRetry();
    this.up = false;
    this.#events.onChange();
  }

  #ping(): void {
    if (this.#redis.status === 'ready') this.#redis.ping().catch(() => resetConnection(this.#redis));
  }
}
