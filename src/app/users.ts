import { Accounts, type Provider } from '../accounts/accounts.js';
import { memoryCounters, redisCounters } from '../accounts/counters.js';
import { RedisAnnouncer, redisSessionStore } from '../accounts/redis.js';
import { ownSecret, parseTokenKeys } from '../accounts/token-keys.js';
import { type ConnectionCounter, LocalConnectionCounter } from '../gateway/connection-counter.js';
import { RedisConnectionCounter } from '../gateway/redis-connection-counter.js';
import type { UserParts } from '../gateway/users.js';
import { type AccountRoutesOptions, authRoutes } from '../http/auth.js';
import { keyRoutes } from '../http/keys.js';
import type { Route } from '../http/router.js';
import { ruleRoutes } from '../http/rules.js';
import { type SignalSource, signalRoutes } from '../http/signals.js';
import { userRoutes } from '../http/users.js';
import type { Metric } from '../ops/metrics.js';
import { UserFeeds } from '../signals/feed.js';
import type { RuleService } from '../signals/rules/service.js';
import type { Around, Shared } from './around.js';
import { deskOf, type SignalParts } from './signals.js';
import { accountMetrics, overdueMetrics } from './user-metrics.js';

export interface UsersSide {
  readonly accounts: Accounts;
  readonly parts: UserParts;
  readonly signals: SignalSource;
  readonly routes: readonly Route[];
  readonly metrics: readonly Metric[];
}

/** Accounts, and what belongs to them, for a process that serves clients. `shared` null: it is alone. @throws UserError */
export async function openUsers(
  around: Around,
  provider: Provider,
  parts: SignalParts,
  rules: RuleService,
  shared: Shared | null,
): Promise<UsersSide> {
  const { config, clock, log, lifecycle, tracer } = around;
  const { sql, plans, store, hints, signals } = parts;
  const { connections, ...between } = await betweenNodes(around, shared);
  const { registration } = config;
  const accounts = await lifecycle.start(
    new Accounts({ ...{ sql, clock, log, provider, plans, registration }, ...between, ...(tracer && { tracer }) }),
  );
  // Of a user who is gone nothing stays.
  accounts.onChange(({ userId }) => signals.forget(userId));
  const feeds = await lifecycle.start(new UserFeeds({ store, hints, clock, log }));
  const visitors = config.plans === null ? null : (plans.all[0] ?? null);
  return {
    accounts,
    parts: { authenticator: accounts, connections, signals: feeds, visitors },
    signals,
    routes: routesOf(around, accounts, parts, rules),
    metrics: [
      ...accountMetrics(accounts, feeds),
      ...(parts.overdue === null ? [] : overdueMetrics(accounts.stats().overdueRecords, parts.overdue)),
    ],
  };
}

function routesOf(around: Around, accounts: Accounts, parts: SignalParts, rules: RuleService): Route[] {
  const options: AccountRoutesOptions = {
    auth: accounts,
    allowedOrigins: around.config.allowedOrigins,
    addressOf: ({ remoteAddress }) => remoteAddress,
    log: around.log,
  };
  return [
    ...authRoutes(accounts.logins, options),
    ...keyRoutes(accounts, options),
    ...userRoutes(accounts.administration, options),
    ...signalRoutes(parts.signals, deskOf(around, parts), options),
    ...ruleRoutes(rules, options),
  ];
}

/** Of a process that is alone; without one in the configuration it makes a secret of its own. @throws UserError */
export async function ownProvider({ config, log }: Around): Promise<Provider> {
  const given = givenProvider(config);
  if (given !== null) return given;
  const { secret, created } = await ownSecret(config.dataDir);
  if (created) log.info({}, 'made a secret for access tokens in DATA_DIR; JWT_SECRET takes one of your own');
  return { keys: parseTokenKeys(secret) };
}

/** What the configuration names; null: nothing. @throws UserError */
export function givenProvider({ identityProvider, jwtSecret }: Around['config']): Provider | null {
  if (identityProvider !== null) return { external: identityProvider };
  return jwtSecret === null ? null : { keys: parseTokenKeys(jwtSecret) };
}

interface Between extends Pick<ConstructorParameters<typeof Accounts>[0], 'counters' | 'announcer' | 'sessionStore'> {
  readonly connections: ConnectionCounter;
}

async function betweenNodes({ config, clock, log, lifecycle }: Around, shared: Shared | null): Promise<Between> {
  if (shared === null)
    return {
      counters: memoryCounters,
      announcer: null,
      sessionStore: null,
      connections: new LocalConnectionCounter(),
    };
  const { redis, url, node } = shared;
  const prefix = config.redisPrefix;
  return {
    counters: redisCounters(redis, prefix, clock),
    announcer: await lifecycle.start(new RedisAnnouncer({ url, prefix, redis, clock, log })),
    sessionStore: redisSessionStore(redis, prefix),
    connections: await lifecycle.start(new RedisConnectionCounter({ redis, prefix, node, clock, log })),
  };
}
