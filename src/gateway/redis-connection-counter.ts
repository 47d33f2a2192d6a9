import { createHash } from 'node:crypto';
import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { RedisClient } from '../kit/redis.js';
import type { Service } from '../kit/service.js';
import type { ConnectionCounter } from './connection-counter.js';

export interface RedisConnectionCounterOptions {
  readonly redis: RedisClient;
  readonly prefix: string;
  /** Unique among all processes that ever ran. */
  readonly node: string;
  readonly clock: Clock;
  readonly log: Log;
  /** A place that is not confirmed for this long is free: that of a node that died. Default 15 s. */
  readonly placeMs?: number;
}

const DEFAULT_PLACE_MS = 15_000;
/** Users are spread over so many slots of a Redis Cluster; those of one slot are confirmed together. */
const SLOTS = 64;
const USERS_A_COMMAND = 200;

const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/** KEYS: places of the user (sorted set: place by when it is free, epoch ms). ARGV: place, limit, ms. Returns 1: taken. */
const TAKE = script(`${NOW}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
`);

/** KEYS: places, a key per user. ARGV: ms, for each user its places here, separated by spaces. */
const CONFIRM = script(`${NOW}
for i, key in ipairs(KEYS) do
  for place in string.gmatch(ARGV[i + 1], '%S+') do redis.call('ZADD', key, now + ARGV[1], place) end
  redis.call('PEXPIRE', key, ARGV[1])
end
return #KEYS
`);

/**
 * Connections of users over all nodes, in Redis: each is a place that its node confirms time and again. While Redis is
 * away every node counts its own; when it is back it learns of them with the next confirmation.
 */
export class RedisConnectionCounter implements ConnectionCounter, Service {
  readonly name = 'connection counter';
  readonly #options: RedisConnectionCounterOptions;
  readonly #placeMs: number;
  /** By slot, then user: the places here. */
  readonly #slots: readonly Map<string, string[]>[] = Array.from({ length: SLOTS }, () => new Map());
  #next = 0;
  #away = false;
  #stopConfirming: () => void = () => {};

  constructor(options: RedisConnectionCounterOptions) {
    this.#options = options;
    this.#placeMs = options.placeMs ?? DEFAULT_PLACE_MS;
  }

  async start(): Promise<void> {
    this.#stopConfirming = this.#options.clock.every(this.#placeMs / 3, () => void this.confirm());
  }

  async stop(): Promise<void> {
    this.#stopConfirming();
    const users = this.#slots.flatMap((slot) => [...slot.keys()]);
    for (const userId of users) while (this.#placesOf(userId).length > 0) this.release(userId);
  }

  async take(userId: string, limit: number): Promise<boolean> {
    const here = this.#placesOf(userId);
    if (here.length >= limit) return false;
    const place = `${this.#options.node}:${this.#next++}`;
    // Before it is asked for, so that of many at once none is overlooked.
    this.#set(userId, [...here, place]);
    if (await this.#ask(userId, place, limit)) return true;
    this.#set(
      userId,
      this.#placesOf(userId).filter((other) => other !== place),
    );
    // It may have been confirmed meanwhile.
    this.#options.redis.zrem(this.#key(userId), place).catch(() => {});
    return false;
  }

  release(userId: string): void {
    const places = this.#placesOf(userId);
    const [place] = places;
    if (place === undefined) return;
    this.#set(userId, places.slice(1));
    // What cannot be removed now is free when it is not confirmed any more.
    this.#options.redis.zrem(this.#key(userId), place).catch(() => {});
  }

  /** A timer does that. Never rejects. */
  async confirm(): Promise<void> {
    const commands = this.#slots.flatMap((slot) => {
      const users = [...slot];
      const parts: [string, string[]][][] = [];
      for (let i = 0; i < users.length; i += USERS_A_COMMAND) parts.push(users.slice(i, i + USERS_A_COMMAND));
      return parts.map((part) => this.#confirm(part));
    });
    const isAway = (await Promise.all(commands)).includes(false);
    if (isAway !== this.#away) {
      const { log } = this.#options;
      if (isAway) log.warn({}, 'connections of users are counted on each node by itself');
      else log.info({}, 'connections of users are counted over all nodes again');
    }
    this.#away = isAway;
  }

  async #confirm(users: readonly [string, readonly string[]][]): Promise<boolean> {
    const keys = users.map(([userId]) => this.#key(userId));
    const places = users.map(([, all]) => all.join(' '));
    try {
      await this.#run(CONFIRM, keys, [String(this.#placeMs), ...places]);
      return true;
    } catch {
      return false;
    }
  }

  async #ask(userId: string, place: string, limit: number): Promise<boolean> {
    try {
      return (await this.#run(TAKE, [this.#key(userId)], [place, String(limit), String(this.#placeMs)])) === 1;
    } catch {
      return true;
    }
  }

  /** By hash; Redis is given the text when it does not know it (it was restarted). */
  async #run({ text, sha }: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    const { redis } = this.#options;
    try {
      return await redis.evalsha(sha, keys.length, ...keys, ...args);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return redis.eval(text, keys.length, ...keys, ...args);
    }
  }

  #key(userId: string): string {
    return `${this.#options.prefix}connections:{c${slotOf(userId)}}:${userId}`;
  }

  #placesOf(userId: string): readonly string[] {
    return this.#slots[slotOf(userId)]?.get(userId) ?? [];
  }

  #set(userId: string, places: string[]): void {
    const slot = this.#slots[slotOf(userId)];
    if (places.length > 0) slot?.set(userId, places);
    else slot?.delete(userId);
  }
}

interface Script {
  readonly text: string;
  readonly sha: string;
}

function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

function slotOf(userId: string): number {
  let hash = 0;
  for (let i = 0; i < userId.length; i++) hash = (hash * 31 + userId.charCodeAt(i)) | 0;
  return (hash >>> 0) % SLOTS;
}
