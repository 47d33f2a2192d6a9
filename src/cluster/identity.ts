import { UserError } from '../kit/errors.js';
import type { RedisClient } from '../kit/redis.js';
import { clusterKey } from './leases.js';
import { IDENTIFY, runScript, type ScriptClient } from './scripts.js';

/**
 * Two clusters with one prefix in one Redis would take each other's symbols and clients would see both. The identity of a
 * cluster is that of its database: the first epoch it gave out. Rejects when Redis is away.
 * @throws UserError when the prefix is another cluster's.
 */
export async function requireSameCluster(redis: ScriptClient, prefix: string, firstEpoch: number): Promise<void> {
  const key = clusterKey(prefix, 'id');
  const found = String(await runScript(redis, IDENTIFY, [key], [String(firstEpoch)]));
  if (found === String(firstEpoch)) return;
  const which = prefix === '' ? 'without a prefix' : `with the prefix "${prefix}"`;
  throw new UserError(
    `REDIS_PREFIX: this Redis is used ${which} by a cluster with another database (created ${createdAt(found)}, ours ` +
      `${createdAt(String(firstEpoch))}). Give each cluster a REDIS_PREFIX of its own, such as "b:". ` +
      `If the other database is gone for good, delete the key "${key}" (redis-cli DEL "${key}") and start again.`,
  );
}

/** The database was restored from a backup, and is another one now: this Redis is free for it. */
export async function forgetCluster(redis: RedisClient, prefix: string): Promise<void> {
  await redis.del(clusterKey(prefix, 'id'));
}

/** The first epoch of a database is its creation in Unix seconds. */
function createdAt(firstEpoch: string): string {
  const date = new Date(Number(firstEpoch) * 1000);
  return Number.isNaN(date.getTime()) ? `"${firstEpoch}"` : date.toISOString().replace('.000', '');
}
