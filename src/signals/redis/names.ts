import { parseRedisUrl } from '../../kit/redis.js';

/** Names of everything that signals have in Redis. */
export class Names {
  /** Sharded pub/sub is to be used. */
  readonly cluster: boolean;
  readonly #prefix: string;
  readonly #live: string;

  constructor(url: string, prefix: string) {
    const target = parseRedisUrl(url);
    const db = target?.db ?? 0;
    this.cluster = target?.kind === 'cluster';
    this.#prefix = `${prefix}signals:`;
    // Pub/sub knows no databases: channels carry the number themselves.
    this.#live = `${db === 0 ? prefix : `${prefix}db${db}:`}signals:live:`;
  }

  /** String: JSON array of the user's latest signals, the newest first. */
  latest(userId: string): string {
    return `${this.#prefix}${userId}`;
  }

  /** Pub/sub channel. */
  live(userId: string): string {
    return `${this.#live}${userId}`;
  }

  /** @returns null where it is not one of `live`. */
  userOf(channel: string): string | null {
    return channel.startsWith(this.#live) ? channel.slice(this.#live.length) : null;
  }
}
