import { type Cluster, Redis } from 'ioredis';
import { UserError } from './errors.js';
import { explainRedisError } from './redis-error.js';
import { redactRedisUrl } from './redis-url.js';

const DEADLINE_MS = 5000;
/** Sharded pub/sub came with 7.0; the forms of commands in use with 6.2. */
const OLDEST = { single: [6, 2], cluster: [7, 0] } as const;

/**
 * Whether Redis can be used, at start: waits for the connection, then tries everything that is done later, below `prefix`.
 * A Redis that is full, loading or short of replicas passes: that ends by itself.
 * @throws UserError that says what to change.
 */
export async function checkRedis(client: Redis | Cluster, url: string, prefix = ''): Promise<void> {
  try {
    await connected(client);
    await checkServer(client, url);
    await checkScripts(client, prefix);
    await checkPubSub(client, prefix);
  } catch (error) {
    throw explainRedisError(error, url);
  }
}

function connected(client: Redis | Cluster): Promise<void> {
  if (client.status === 'ready') return Promise.resolve();
  return new Promise((resolve, reject) => {
    let last: Error = new Error('connect ETIMEDOUT');
    const done = (finish: () => void) => {
      clearTimeout(timer);
      client.off('ready', onReady);
      client.off('error', onError);
      client.off('node error', onNodeError);
      finish();
    };
    const timer = setTimeout(() => done(() => reject(last)), DEADLINE_MS);
    const onReady = () => done(resolve);
    const onError = (error: Error) => done(() => reject(error));
    const onNodeError = (error: Error) => {
      last = error;
    };
    client.on('ready', onReady);
    client.on('error', onError);
    client.on('node error', onNodeError);
  });
}

async function checkServer(client: Redis | Cluster, url: string): Promise<void> {
  const info = await client.info('server').catch(passIfDenied);
  if (info === null) return;
  const version = /redis_version:(\S+)/.exec(info)?.[1] ?? '';
  const mode = /redis_mode:(\S+)/.exec(info)?.[1] ?? 'standalone';
  const where = redactRedisUrl(url);
  const isCluster = !(client instanceof Redis);
  if (mode === 'sentinel')
    throw new UserError(`REDIS_URL ${where}: it is a sentinel: use redis-sentinel://host:port/master`);
  if (mode === 'cluster' && !isCluster)
    throw new UserError(`REDIS_URL ${where}: it is a cluster: use redis-cluster:// instead of redis://`);
  const [major, minor] = isCluster ? OLDEST.cluster : OLDEST.single;
  const [has = 0, hasMinor = 0] = version.split('.').map(Number);
  if (has < major || (has === major && hasMinor < minor))
    throw new UserError(`REDIS_URL ${where}: Redis ${version} is too old: ${major}.${minor} or newer is needed`);
}

async function checkScripts(client: Redis | Cluster, prefix: string): Promise<void> {
  const key = `${prefix}check:${Math.random().toString(36).slice(2)}`;
  const script = `redis.call('SET', KEYS[1], '1', 'PX', 1000) return redis.call('PUBLISH', KEYS[1], '')`;
  await client.eval(script, 1, key).catch(passIfPassing);
  await client.evalsha('0'.repeat(40), 1, key).catch((error: Error) => {
    if (!error.message.startsWith('NOSCRIPT')) throw error;
  });
}

async function checkPubSub(client: Redis | Cluster, prefix: string): Promise<void> {
  // On a connection in use: RESP3, which every Redis from 6.2 speaks, lets commands and subscriptions share one.
  if (client instanceof Redis) {
    await client.subscribe(`${prefix}check`);
    await client.unsubscribe(`${prefix}check`);
  }
  await client.pubsub('CHANNELS', `${prefix}check`);
}

function passIfDenied(error: Error): null {
  if (error.message.startsWith('NOPERM')) return null;
  throw error;
}

function passIfPassing(error: Error): void {
  if (!/^(OOM|MISCONF|LOADING|NOREPLICAS|CLUSTERDOWN|BUSY)/.test(error.message)) throw error;
}
