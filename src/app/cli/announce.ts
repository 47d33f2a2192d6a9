import type { Announcer } from '../../accounts/changes.js';
import { RedisAnnouncer } from '../../accounts/redis.js';
import type { Clock } from '../../kit/clock.js';
import { silentLog } from '../../kit/log.js';
import { closeRedis, createRedis, type RedisClient, redactRedisUrl } from '../../kit/redis.js';
import type { AccountChange } from '../../wire/identity.js';
import type { Ground } from './run.js';

const CONNECT_MS = 2000;

interface Announcing {
  readonly announcer: Announcer;
  /** Resolves when Redis has what was announced, or cannot be reached: the nodes find it in the database within seconds. */
  told(): Promise<void>;
}

/** Collects changes of accounts, and tells the nodes of a cluster of them at once. */
export function announceThrough({ config, clock, log }: Ground): Announcing {
  const changes: AccountChange[] = [];
  const announcer: Announcer = {
    announce: (change) => void changes.push(change),
    onAnnounced: () => {},
    onGap: () => {},
  };
  const { redisUrl: url, redisPrefix: prefix } = config;
  const told = async (): Promise<void> => {
    if (url === null || changes.length === 0) return;
    const redis = createRedis(url, { name: 'candlecast-cli', log: silentLog });
    try {
      await ready(redis, clock);
      const nodes = new RedisAnnouncer({ url, prefix, redis, clock, log });
      for (const change of changes) nodes.announce(change);
      // Commands of one connection are answered in their order.
      await redis.ping();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log.warn(
        { redis: redactRedisUrl(url), reason },
        'Redis was not told: the nodes notice within seconds by themselves',
      );
    } finally {
      closeRedis(redis);
    }
  };
  return { announcer, told };
}

function ready(redis: RedisClient, clock: Clock): Promise<void> {
  return new Promise((resolve, reject) => {
    if (redis.status === 'ready') return resolve();
    let last = new Error('no answer');
    redis.on('error', (error: Error) => {
      last = error;
    });
    const cancel = clock.after(CONNECT_MS, () => reject(last));
    redis.once('ready', () => {
      cancel();
      resolve();
    });
  });
}
