import { RateLimiterMemory, RateLimiterRedis } from 'rate-limiter-flexible';
import type { Clock } from '../kit/clock.js';
import type { RedisClient } from '../kit/redis.js';

export interface Count {
  readonly count: number;
  /** Until the count begins anew. */
  readonly resetMs: number;
}

/** Counts events by key, each key from zero again `windowMs` after its first event. */
export interface Counter {
  add(key: string): Promise<Count>;
  get(key: string): Promise<Count>;
  /** Takes one event back. */
  takeBack(key: string): Promise<void>;
  clear(key: string): Promise<void>;
}

export type CreateCounter = (name: string, windowMs: number) => Counter;

/** Far above every limit: the limits are ours to compare. */
const POINTS = 1_000_000_000;

/** For a process that is alone. */
export const memoryCounters: CreateCounter = (name, windowMs) =>
  toCounter(new RateLimiterMemory({ keyPrefix: name, points: POINTS, duration: windowMs / 1000 }));

/** A Redis that failed is not asked for this long: each question to one that is frozen takes a second. */
const DISTRUSTED_MS = 3000;

/** Shared by all nodes; while Redis is away each counts by itself. */
export function redisCounters(redis: RedisClient, prefix: string, clock: Clock): CreateCounter {
  let distrustedUntil = Number.NEGATIVE_INFINITY;
  return (name, windowMs) => {
    const common = { points: POINTS, duration: windowMs / 1000 };
    const keyPrefix = `${prefix}count:${name}`;
    const shared = toCounter(
      new RateLimiterRedis({ ...common, keyPrefix, storeClient: redis, rejectIfRedisNotReady: true }),
    );
    const own = toCounter(new RateLimiterMemory({ ...common, keyPrefix: name }));
    const either = async <T>(ask: (counter: Counter) => Promise<T>): Promise<T> => {
      if (clock.now() < distrustedUntil) return ask(own);
      try {
        return await ask(shared);
      } catch {
        distrustedUntil = clock.now() + DISTRUSTED_MS;
        return ask(own);
      }
    };
    return {
      add: (key) => either((counter) => counter.add(key)),
      get: (key) => either((counter) => counter.get(key)),
      takeBack: (key) => either((counter) => counter.takeBack(key)),
      clear: (key) => either((counter) => counter.clear(key)),
    };
  };
}

function toCounter(limiter: RateLimiterMemory | RateLimiterRedis): Counter {
  return {
    async add(key) {
      const { consumedPoints, msBeforeNext } = await limiter.consume(key);
      return { count: consumedPoints, resetMs: msBeforeNext };
    },
    async get(key) {
      const found = await limiter.get(key);
      return { count: found?.consumedPoints ?? 0, resetMs: found?.msBeforeNext ?? 0 };
    },
    async takeBack(key) {
      await limiter.reward(key);
    },
    async clear(key) {
      await limiter.delete(key);
    },
  };
}
