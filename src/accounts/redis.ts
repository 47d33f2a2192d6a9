import type { Redis } from 'ioredis';
import type { Log } from '../kit/log.js';
import { closeRedis, createRedis, type RedisClient } from '../kit/redis.js';
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
  readonly log: Log;
}

/** Announces over a Redis channel, with a connection of its own to listen on. */
export class RedisAnnouncer implements Announcer, Service {
  readonly name = 'account announcements';
  readonly #channel: string;
  readonly #options: RedisAnnouncerOptions;
  #listening: RedisClient | null = null;
  #announced: (change: AccountChange) => void = () => {};
  #gap: () => void = () => {};

  constructor(options: RedisAnnouncerOptions) {
    this.#options = options;
    this.#channel = `${options.prefix}accounts`;
  }

  /** Redis may be away: it is listened to as soon as it is there. */
  async start(): Promise<void> {
    const { url, log } = this.#options;
    const client = createRedis(url, { name: 'candlecast-accounts', log });
    this.#listening = client;
    client.on('message', (_channel: string, text: string) => this.#hear(text));
    client.on('ready', () => void this.#listen(client));
    if (client.status === 'ready') await this.#listen(client);
  }

  async stop(): Promise<void> {
    if (this.#listening !== null) closeRedis(this.#listening);
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

  async #listen(client: RedisClient): Promise<void> {
    try {
      await (client as Redis).subscribe(this.#channel);
      this.#gap();
    } catch (error) {
      this.#options.log.debug({ error: String(error) }, 'announcements of accounts are not listened to');
    }
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
