import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { RedisClient } from '../kit/redis.js';
import { PubSub } from '../kit/redis-pubsub.js';
import { Shards } from '../kit/redis-shards.js';
import type { Service } from '../kit/service.js';
import type { AccountChange } from '../wire/identity.js';
import type { Announcer } from './changes.js';
import type { SessionStore } from './session-records.js';
import { isUuid } from './sql.js';

export interface RedisAnnouncerOptions {
  readonly url: string;
  /** Before the name of the channel. */
  readonly prefix: string;
  /** For commands; somebody else's. */
  readonly redis: RedisClient;
  readonly clock: Clock;
  readonly log: Log;
}

/** Announces over a Redis channel, with connections of its own to listen on. */
export class RedisAnnouncer implements Announcer, Service {
  readonly name = 'account announcements';
  readonly #channel: string;
  readonly #options: RedisAnnouncerOptions;
  #pubsub: PubSub | null = null;
  #up = false;
  #announced: (change: AccountChange) => void = () => {};
  #gap: () => void = () => {};

  constructor(options: RedisAnnouncerOptions) {
    this.#options = options;
    this.#channel = `${options.prefix}accounts`;
  }

  /** Redis may be away: it is listened to as soon as it is there. */
  async start(): Promise<void> {
    const { url, redis, clock, log } = this.#options;
    const onChange = () => this.#changed();
    this.#pubsub = new PubSub({
      ...{ url, clock, log, onChange },
      name: 'candlecast-accounts',
      shards: new Shards(redis, onChange, onChange),
      onMessage: (_channel, text) => this.#hear(text),
    });
    // Where it cannot be subscribed now, that is done as soon as it can be.
    this.#pubsub.want(this.#channel, false).catch(() => {});
  }

  async stop(): Promise<void> {
    this.#pubsub?.close();
  }

  announce(change: AccountChange): void {
    const { redis, log } = this.#options;
    redis
      .publish(this.#channel, JSON.stringify(change))
      .catch((error: Error) => log.debug({ error: error.message }, 'a change of an account was not announced'));
  }

  onAnnounced(listener: (change: AccountChange) => void): void {
    this.#announced = listener;
  }

  onGap(listener: () => void): void {
    this.#gap = listener;
  }

  #changed(): void {
    const wasUp = this.#up;
    this.#up = this.#pubsub?.up ?? false;
    if (this.#up && !wasUp) this.#gap();
  }

  #hear(text: string): void {
    const change = parseChange(text);
    if (change !== null) this.#announced(change);
  }
}

/** @returns null for what is no change. */
function parseChange(text: string): AccountChange | null {
  try {
    const { userId, sessionId, keyId } = JSON.parse(text) as Readonly<Record<string, unknown>>;
    if (!isUuid(userId) || !(sessionId === null || isUuid(sessionId)) || !(keyId === null || isUuid(keyId)))
      return null;
    return { userId, sessionId, keyId };
  } catch {
    return null;
  }
}

/** `session:{user_id}` in Redis. */
export function redisSessionStore(redis: RedisClient, prefix: string): SessionStore {
  const key = (userId: string): string => `${prefix}session:${userId}`;
  return {
    async put(userId, record) {
      await redis.set(key(userId), JSON.stringify(record), 'PXAT', record.expiry);
    },
    async remove(userId) {
      await redis.del(key(userId));
    },
  };
}
