import { hostname } from 'node:os';
import type { Subscriber } from '../bus/bus.js';
import { RedisPublisher } from '../bus/redis/publisher.js';
import { RedisSubscriber } from '../bus/redis/subscriber.js';
import { RedisTradePublisher } from '../bus/redis/trade-publisher.js';
import { RedisTradeSubscriber } from '../bus/redis/trade-subscriber.js';
import { SharedSubscriber } from '../bus/shared.js';
import { requireSameCluster } from '../cluster/identity.js';
import { Members } from '../cluster/members.js';
import type { ClusterOptions } from '../cluster/membership.js';
import type { NodeInfo } from '../cluster/nodes.js';
import { Ownership } from '../cluster/ownership.js';
import { PUSH_PARTITION, partitionOf } from '../cluster/partitions.js';
import type { Clock } from '../kit/clock.js';
import { checkRedis, closeRedis, createRedis, explainRedisError, type RedisClient } from '../kit/redis.js';
import type { SymbolStatus } from '../market/event.js';
import type { Metric } from '../ops/metrics.js';
import { registerSymbols } from '../store/timescale/symbols.js';
import { openAnalytics } from './analytics.js';
import { type Around, type Shared, toStop } from './around.js';
import { clusterMetrics } from './cluster-metrics.js';
import { explained } from './database-error.js';
import { Ingest, PUSH_SOURCE, sharedPlans } from './ingest.js';
import type { MarketView } from './market-view.js';
import type { Parts } from './parts.js';
import { relationalMetrics } from './relational.js';
import { openRules, ruleMetrics, ruleService } from './rules.js';
import { openSignals } from './signals.js';
import { openStore, type Readable, type Store } from './store.js';
import { SymbolWriter } from './symbol-writer.js';
import { givenProvider, openUsers, type UsersSide } from './users.js';
import { WatchedStatuses } from './watched-statuses.js';

/** Readers wait this long at most for the spools of other nodes. */
const CATCH_UP_MS = 2000;
const CATCH_UP_POLL_MS = 100;

/** One node of several, which meet in Redis and in the database. @throws UserError */
export async function openCluster(
  around: Around,
  read: Readable,
  url: string,
  node: string,
  view: MarketView,
): Promise<Parts> {
  const { config, clock, log, lifecycle } = around;
  const redis = await connect(around, read, url);
  const writes = config.roles.includes('ingest');
  const serves = config.roles.includes('gateway');
  let spoolBehind = (): number => 0;
  const membership: ClusterOptions = {
    redis,
    prefix: config.redisPrefix,
    node: { id: node, roles: config.roles, address: `${hostname()}:${config.port}` },
    info: () => ({ spoolBehind: spoolBehind() }),
    clock,
    log,
  };
  const bus = { url, prefix: config.redisPrefix, clock, log };
  const evaluates = config.roles.includes('signals');
  const subscriber =
    serves || evaluates ? await lifecycle.start(new RedisSubscriber({ ...bus, firstEpoch: read.firstEpoch })) : null;
  const trades = serves ? await lifecycle.start(new RedisTradeSubscriber(bus)) : null;
  const writing = writes ? await openWriting(around, read, url, membership) : null;
  if (writing !== null) spoolBehind = () => writing.store.spool.stats().recordsBehind;
  const members = writing?.ownership ?? new Members(membership);
  const statuses = subscriber === null ? null : watched(around, subscriber, members);
  const signals = await openSignalSide(around, read, membership, subscriber, { redis, url, node }, view);
  const analytics = await openAnalytics(around, read, membership);
  const isStoreBehind = (): boolean => anyBehind(members.nodes());
  return {
    ingest: writing?.ingest ?? null,
    store: writing?.store ?? null,
    subscriber: signals.subscriber,
    users: signals.users,
    statuses,
    analytics: analytics.database,
    trades,
    live: async (symbol, interval) =>
      (await writing?.ingest.window(symbol, interval)) ?? (await subscriber?.window(symbol, interval)) ?? null,
    isStoreBehind,
    storeCatchesUp: () => until(() => !isStoreBehind(), clock),
    goLive: async () => {
      await lifecycle.start(members);
      if (statuses !== null) await lifecycle.start(statuses);
      await signals.goLive();
      await analytics.goLive();
    },
    notReady: () => [...members.notReady(), ...(subscriber?.up === false ? ['Redis does not answer'] : [])],
    failed: new Promise(() => {}),
    metrics: [
      ...clusterMetrics({
        members,
        ownership: writing?.ownership ?? null,
        publisher: writing?.publisher ?? null,
        subscriber,
      }),
      ...signals.metrics,
      ...analytics.metrics,
    ],
  };
}

interface SignalSide {
  /** For the gateway. */
  readonly subscriber: Subscriber | null;
  /** null: this node serves nobody, or has nothing to prove anybody's identity with. */
  readonly users: UsersSide | null;
  goLive(): Promise<void>;
  readonly metrics: readonly Metric[];
}

/** Accounts and signals where the node serves clients, rules where it has the role. */
async function openSignalSide(
  around: Around,
  read: Readable,
  membership: ClusterOptions,
  subscriber: RedisSubscriber | null,
  shared: Shared,
  view: MarketView,
): Promise<SignalSide> {
  const { config, log, lifecycle } = around;
  const serves = config.roles.includes('gateway');
  const evaluates = config.roles.includes('signals');
  const provider = serves ? givenProvider(config) : null;
  if (serves && provider === null)
    log.warn({}, 'JWT_SECRET is not set: this node has no accounts; give the same one to all nodes');
  if (subscriber === null || (provider === null && !evaluates))
    return { subscriber, users: null, goLive: async () => {}, metrics: [] };
  const views = new SharedSubscriber(subscriber);
  const databaseUrl = config.databaseUrl ?? read.url;
  const signals = await openSignals(around, databaseUrl, shared);
  const rules = evaluates ? openRules(around, signals, membership, views.view(), view) : null;
  const service = ruleService(around, signals, view, (symbol) => rules?.runner.reread(symbol));
  const users =
    provider === null ? null : await explained(databaseUrl, openUsers(around, provider, signals, service, shared));
  return {
    subscriber: views.view(),
    users,
    goLive: async () => {
      if (rules === null) return;
      await lifecycle.start(rules.runner);
      await lifecycle.start(rules.ownership);
    },
    metrics: [
      ...relationalMetrics(signals.sql),
      ...(users?.metrics ?? []),
      ...(rules === null ? [] : ruleMetrics(rules.runner)),
    ],
  };
}

/** A symbol whose partition nobody owns is stale, whatever its last owner said. */
function watched({ clock, log }: Around, subscriber: RedisSubscriber, members: Members | Ownership): WatchedStatuses {
  const isMade = ({ source, symbol }: SymbolStatus): boolean =>
    members.isOwned(source === PUSH_SOURCE ? PUSH_PARTITION : partitionOf(symbol)) ?? true;
  return new WatchedStatuses(subscriber, isMade, clock, log);
}

async function connect({ config, log, lifecycle }: Around, read: Readable, url: string): Promise<RedisClient> {
  const redis = createRedis(url, { name: 'candlecast-cluster', log });
  await lifecycle.start(toStop('redis', async () => closeRedis(redis)));
  try {
    await checkRedis(redis, url, config.redisPrefix);
    await requireSameCluster(redis, config.redisPrefix, read.firstEpoch);
  } catch (error) {
    throw explainRedisError(error, url);
  }
  return redis;
}

interface Writing {
  readonly store: Store;
  readonly publisher: RedisPublisher;
  readonly ingest: Ingest;
  readonly ownership: Ownership;
}

async function openWriting(around: Around, read: Readable, url: string, membership: ClusterOptions): Promise<Writing> {
  const { config, clock, log, lifecycle } = around;
  // Until then nothing is owned: what the last run left in the spool is refused where another node has taken over.
  let owning: Pick<Writing, 'ingest' | 'ownership'> | null = null;
  const lost = (epoch: number): void => {
    const partition = owning?.ingest.ofEpoch(epoch) ?? null;
    if (partition !== null) owning?.ownership.lost(partition);
  };
  const store: Store = await openStore(around, read, lost);
  const publisher: RedisPublisher = await lifecycle.start(
    new RedisPublisher({
      url,
      prefix: config.redisPrefix,
      clock,
      log,
      windowOf: (symbol, interval) => ingest.window(symbol, interval),
      onFenced: (_symbol, epoch) => lost(epoch),
    }),
  );
  const trades = await lifecycle.start(new RedisTradePublisher({ url, prefix: config.redisPrefix, clock, log }));
  const symbols = new SymbolWriter((entries) => read.readers.run((sql) => registerSymbols(sql, entries)), clock, log);
  const deps = {
    around,
    store,
    history: read.history,
    bus: publisher,
    tape: trades.tape,
    symbols,
    node: membership.node.id,
  };
  const ingest: Ingest = new Ingest(deps, sharedPlans(config.feeds, partitionOf, PUSH_PARTITION, read.readers));
  const ownership: Ownership = new Ownership({
    ...membership,
    partitions: ingest.partitions,
    take: (partition, signal) => ingest.take(partition, signal),
    drop: (partition, why) => ingest.drop(partition, why),
  });
  owning = { ingest, ownership };
  return { store, publisher, ingest, ownership };
}

/** Any candle may be on its way where a node says so, or no node that writes is to be seen. */
function anyBehind(nodes: readonly NodeInfo[]): boolean {
  const writers = nodes.filter(({ roles }) => roles.includes('ingest'));
  return writers.length === 0 || writers.some((node) => node.spoolBehind > 0);
}

async function until(done: () => boolean, clock: Clock): Promise<void> {
  const deadline = clock.now() + CATCH_UP_MS;
  while (!done() && clock.now() < deadline)
    await new Promise<void>((resolve) => clock.after(CATCH_UP_POLL_MS, resolve));
}
