import { hostname } from 'node:os';
import { RedisPublisher } from '../bus/redis/publisher.js';
import { RedisSubscriber } from '../bus/redis/subscriber.js';
import { requireSameCluster } from '../cluster/identity.js';
import { Members } from '../cluster/members.js';
import type { ClusterOptions } from '../cluster/membership.js';
import type { NodeInfo } from '../cluster/nodes.js';
import { Ownership } from '../cluster/ownership.js';
import { PUSH_PARTITION, partitionOf } from '../cluster/partitions.js';
import type { Clock } from '../kit/clock.js';
import { checkRedis, closeRedis, createRedis, explainRedisError, type RedisClient } from '../kit/redis.js';
import type { SymbolStatus } from '../market/event.js';
import { registerSymbols } from '../store/timescale/symbols.js';
import { type Around, toStop } from './around.js';
import { clusterMetrics } from './cluster-metrics.js';
import { Ingest, PUSH_SOURCE, sharedPlans } from './ingest.js';
import type { Parts } from './parts.js';
import { openStore, type Readable, type Store } from './store.js';
import { SymbolWriter } from './symbol-writer.js';
import { openUsers } from './users.js';
import { WatchedStatuses } from './watched-statuses.js';

/** Readers wait this long at most for the spools of other nodes. */
const CATCH_UP_MS = 2000;
const CATCH_UP_POLL_MS = 100;

/** One node of several, which meet in Redis and in the database. @throws UserError */
export async function openCluster(around: Around, read: Readable, url: string, node: string): Promise<Parts> {
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
  const subscriber = serves ? await lifecycle.start(new RedisSubscriber(bus)) : null;
  const writing = writes ? await openWriting(around, read, url, membership) : null;
  if (writing !== null) spoolBehind = () => writing.store.spool.stats().recordsBehind;
  const members = writing?.ownership ?? new Members(membership);
  const statuses = subscriber === null ? null : watched(around, subscriber, members);
  const users = serves ? await openUsers(around, config.databaseUrl ?? read.url, { redis, url, node }) : null;
  const isStoreBehind = (): boolean => anyBehind(members.nodes());
  return {
    ingest: writing?.ingest ?? null,
    store: writing?.store ?? null,
    subscriber,
    users,
    statuses,
    live: async (symbol, interval) =>
      (await writing?.ingest.window(symbol, interval)) ?? (await subscriber?.window(symbol, interval)) ?? null,
    isStoreBehind,
    storeCatchesUp: () => until(() => !isStoreBehind(), clock),
    goLive: async () => {
      await lifecycle.start(members);
      if (statuses !== null) await lifecycle.start(statuses);
    },
    notReady: () => [...members.notReady(), ...(subscriber?.up === false ? ['Redis does not answer'] : [])],
    failed: new Promise(() => {}),
    metrics: clusterMetrics({
      members,
      ownership: writing?.ownership ?? null,
      publisher: writing?.publisher ?? null,
      subscriber,
    }),
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
  const symbols = new SymbolWriter((entries) => read.readers.run((sql) => registerSymbols(sql, entries)), clock, log);
  const deps = { around, store, history: read.history, bus: publisher, symbols, node: membership.node.id };
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
