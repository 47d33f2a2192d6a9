import { forgetCluster } from '../cluster/identity.js';
import { checkRedis, closeRedis, createRedis, explainRedisError } from '../kit/redis.js';
import { SignalStore } from '../signals/store.js';
import { openPool } from '../store/relational.js';
import { beginAnew } from '../store/timescale/writers.js';
import type { Around } from './around.js';
import { connect } from './database.js';

/** Of a database that was restored from a backup, and has its schema: nobody takes it for what it was later. @throws UserError */
export async function beginDatabaseAnew(
  { config, clock, log }: Around,
  timescale: string,
  relational: string,
): Promise<void> {
  const sql = connect(timescale);
  try {
    await beginAnew(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
  const pool = openPool({ url: relational, log });
  try {
    await new SignalStore(pool, clock).beginAnew();
  } finally {
    await pool.close();
  }
  if (config.redisUrl === null) return;
  const redis = createRedis(config.redisUrl, { name: 'candlecast-restored', log });
  try {
    await checkRedis(redis, config.redisUrl, config.redisPrefix);
    await forgetCluster(redis, config.redisPrefix);
  } catch (error) {
    throw explainRedisError(error, config.redisUrl);
  } finally {
    closeRedis(redis);
  }
}
