import { Accounts, type Provider } from '../accounts/accounts.js';
import { memoryCounters, redisCounters } from '../accounts/counters.js';
import { parsePlans } from '../accounts/plans.js';
import { RedisAnnouncer, redisSessionStore } from '../accounts/redis.js';
import { ownSecret, parseTokenKeys } from '../accounts/token-keys.js';
import { type ConnectionCounter, LocalConnectionCounter } from '../gateway/connection-counter.js';
import { RedisConnectionCounter } from '../gateway/redis-connection-counter.js';
import type { UserParts } from '../gateway/users.js';
import { type AccountRoutesOptions, authRoutes } from '../http/auth.js';
import { keyRoutes } from '../http/keys.js';
import type { Route } from '../http/router.js';
import { userRoutes } from '../http/users.js';
import type { RedisClient } from '../kit/redis.js';
import { UserFeeds } from '../signals/feed.js';
import { LocalHints, type SignalHints } from '../signals/hints.js';
import { RedisSignals } from '../signals/redis/redis-signals.js';
import { SignalStore } from '../signals/store.js';
import { openPool, type Pool } from '../store/relational.js';
import { type Around, toStop } from './around.js';
import { migrateDatabase } from './database.js';

/** What the nodes of a cluster have in common. */
export interface Shared {
  readonly redis: RedisClient;
  readonly url: string;
  readonly node: string;
}

export interface UsersSide {
  readonly parts: UserParts;
  readonly routes: readonly Route[];
}

/**
 * Accounts and their signals, for a process that serves clients. `shared` null: it is alone.
 * @returns null where several nodes have no secret in common: then there are no accounts. @throws UserError
 */
export async function openUsers(around: Around, databaseUrl: string, shared: Shared | null): Promise<UsersSide | null> {
  const { config, clock, log, lifecycle } = around;
  const provider = await providerOf(around, shared);
  if (provider === null) return null;
  const plans = parsePlans(config.plans);
  const sql = await openRelational(around, databaseUrl);
  const { connections, hints, ...between } = await betweenNodes(around, shared);
  const { registration } = config;
  const accounts = await lifecycle.start(new Accounts({ sql, clock, log, provider, plans, registration, ...between }));
  const signals = await lifecycle.start(new UserFeeds({ store: new SignalStore(sql, clock), hints, clock, log }));
  const options: AccountRoutesOptions = {
    auth: accounts,
    allowedOrigins: config.allowedOrigins,
    addressOf: ({ remoteAddress }) => remoteAddress,
    log,
  };
  return {
    parts: { authenticator: accounts, connections, signals },
    routes: [
      ...authRoutes(accounts.logins, options),
      ...keyRoutes(accounts, options),
      ...userRoutes(accounts.administration, options),
    ],
  };
}

/** The relational database with its schema. @throws UserError */
export async function openRelational({ log, lifecycle, progress }: Around, url: string): Promise<Pool> {
  await migrateDatabase(url, log, progress, 'postgres');
  const pool = openPool({ url, log });
  await lifecycle.start(toStop('relational database', () => pool.close()));
  return pool;
}

async function providerOf({ config, log }: Around, shared: Shared | null): Promise<Provider | null> {
  if (config.identityProvider !== null) return { external: config.identityProvider };
  if (config.jwtSecret !== null) return { keys: parseTokenKeys(config.jwtSecret) };
  if (shared !== null) {
    log.warn({}, 'JWT_SECRET is not set: this node has no accounts; give the same one to all nodes');
    return null;
  }
  const { secret, created } = await ownSecret(config.dataDir);
  if (created) log.info({}, 'made a secret for access tokens in DATA_DIR; JWT_SECRET takes one of your own');
  return { keys: parseTokenKeys(secret) };
}

interface Between extends Pick<ConstructorParameters<typeof Accounts>[0], 'counters' | 'announcer' | 'sessionStore'> {
  readonly connections: ConnectionCounter;
  readonly hints: SignalHints;
}

async function betweenNodes({ config, clock, log, lifecycle }: Around, shared: Shared | null): Promise<Between> {
  if (shared === null) {
    const connections = new LocalConnectionCounter();
    return { counters: memoryCounters, announcer: null, sessionStore: null, connections, hints: new LocalHints() };
  }
  const { redis, url, node } = shared;
  const prefix = config.redisPrefix;
  return {
    counters: redisCounters(redis, prefix),
    announcer: await lifecycle.start(new RedisAnnouncer({ url, prefix, redis, log })),
    sessionStore: redisSessionStore(redis, prefix),
    connections: await lifecycle.start(new RedisConnectionCounter({ redis, prefix, node, clock, log })),
    hints: await lifecycle.start(new RedisSignals({ url, prefix, clock, log })),
  };
}
