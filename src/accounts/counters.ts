import { RateLimiterMemory, RateLimiterRedis } from 'rate-limiter-flexible';
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

/** Shared by all nodes; while Redis is away each counts by itself. */
export function redisCounters(redis: RedisClient, prefix: string): CreateCounter {
  return (name, windowMs) => {
    const common = { points: POINTS, duration: windowMs / 1000 };
    const insuranceLimiter = new RateLimiterMemory({ ...common, keyPrefix: name });
    const keyPrefix = `${prefix}count:${name}`;
    return toCounter(
      new RateLimiterRedis({ ...common, keyPrefix, storeClient: redis, rejectIfRedisNotReady: true, insuranceLimiter }),
    );
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
