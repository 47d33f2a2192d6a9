import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'vitest';
import { eventually } from '../../app/support.js';
import type { Cluster } from './cluster.js';
import type { Crowd } from './crowd.js';
import type { Distribution } from './measure.js';
import { ownerWithSymbols, untilNewEpoch } from './ownership.js';
import { between, pick } from './random.js';
import { untilHealed, untilStale } from './staleness.js';
import { within } from './within.js';

const HEALED_MAX_MS = 60_000;
const WHOLE_MAX_MS = 15_000;
const TAKEOVER_MAX_MS = 20_000;
const CUT_EACH_MS = 100;

/** Redis is killed, and back empty after a while: everybody is told, and has everything again. */
export async function killRedis(
  cluster: Cluster,
  crowd: Crowd,
  times: { stale: Distribution; healed: Distribution },
): Promise<void> {
  const killed = performance.now();
  await cluster.redis.kill();
  await within(HEALED_MAX_MS, 'told that it is stale', untilStale(crowd, killed, times.stale));
  await pause(between(crowd.random, 500, 2500));
  await cluster.redis.restart();
  await within(HEALED_MAX_MS, 'healed', untilHealed(crowd, performance.now(), times.healed));
}

/** Redis stands still for a while: nothing is refused, and nothing comes. */
export async function freezeRedis(
  cluster: Cluster,
  crowd: Crowd,
  frozenMs: number,
  times: { stale: Distribution; healed: Distribution },
): Promise<void> {
  const frozen = performance.now();
  cluster.redis.freeze();
  await within(HEALED_MAX_MS, 'told that it is stale', untilStale(crowd, frozen, times.stale));
  await pause(Math.max(0, frozenMs - (performance.now() - frozen)));
  cluster.redis.thaw();
  await within(HEALED_MAX_MS, 'healed', untilHealed(crowd, performance.now(), times.healed));
}

/** Whoever listens to Redis is cut off, again and again. */
export async function cutSubscribers(
  cluster: Cluster,
  crowd: Crowd,
  forMs: number,
  healed: Distribution,
): Promise<void> {
  const end = performance.now() + forMs;
  while (performance.now() < end) {
    await cluster.redis.cli('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await pause(CUT_EACH_MS);
  }
  await within(HEALED_MAX_MS, 'healed', untilHealed(crowd, performance.now(), healed));
}

/** Connections to the database are cut in what is asked or in what is answered, after some bytes: anywhere in a statement. */
export async function cutStatements(cluster: Cluster, crowd: Crowd, cuts: number): Promise<void> {
  const { proxy } = cluster.database;
  for (let cut = 0; cut < cuts; cut++) {
    proxy.cutAfter(Math.floor(between(crowd.random, 1, 2000)), cut % 2 === 0 ? 'up' : 'down');
    await pause(between(crowd.random, 100, 500));
  }
  await proxy.heal();
}

/** A gateway is killed, and started again when its clients are whole on another. */
export async function killGateway(cluster: Cluster, crowd: Crowd, whole: Distribution): Promise<void> {
  await pause(between(crowd.random, 100, 700));
  const gateway = pick(crowd.random, cluster.gateways);
  const cut = crowd.on(gateway.port);
  const started = performance.now();
  await gateway.kill();
  const back = cut.map(async (client) => {
    await client.until(() => client.port !== gateway.port && client.isWhole);
    whole.add(performance.now() - started);
  });
  await within(WHOLE_MAX_MS, `clients of ${gateway.name} whole again`, Promise.all(back));
  await gateway.start();
}

/**
 * A node with partitions is killed, and started again when another has taken them over.
 * @param behind what closes last reaches clients and the spool of the node, but not the table before it dies.
 */
export async function killIngest(
  cluster: Cluster,
  crowd: Crowd,
  behind: boolean,
  takeover: Distribution,
): Promise<void> {
  await pause(between(crowd.random, 200, 1500));
  // Nobody can take a partition while the database is away: none may be on its way to another owner.
  if (behind) await cluster.settled();
  const { node, symbols } = await ownerWithSymbols(cluster, crowd.random);
  if (behind) {
    cluster.database.proxy.blackhole();
    await within(TAKEOVER_MAX_MS, 'candles close without the database', crowd.advance(2));
  }
  const started = performance.now();
  const taken = untilNewEpoch(crowd, symbols, (atMs) => takeover.add(atMs - started));
  await node.kill();
  if (behind) await cluster.database.proxy.heal();
  await within(TAKEOVER_MAX_MS, `${symbols} of ${node.name} taken over`, taken);
  await node.start();
}

/** A node with partitions stands still until another has taken them over, and wakes up. */
export async function freezeIngest(
  cluster: Cluster,
  crowd: Crowd,
  partitions: number,
  takeover: Distribution,
): Promise<void> {
  await pause(between(crowd.random, 200, 1500));
  const { node, symbols } = await ownerWithSymbols(cluster, crowd.random);
  const started = performance.now();
  const taken = untilNewEpoch(crowd, symbols, (atMs) => takeover.add(atMs - started));
  node.freeze();
  try {
    await within(TAKEOVER_MAX_MS, `${symbols} of ${node.name} taken over`, taken);
    await pause(between(crowd.random, 0, 500));
  } finally {
    node.thaw();
  }
  // Both are awake now, and one of them is wrong about who it is.
  await pause(between(crowd.random, 500, 1500));
  // Each partition has one owner again, by what the nodes themselves believe.
  await eventually(
    () => Promise.all(cluster.ingest.map((one) => one.metric('partitions_owned'))),
    (counts) => counts.reduce((sum, count) => sum + count, 0) === partitions,
    TAKEOVER_MAX_MS,
  );
}

/** Every node is told to leave, and comes back: each client reconnects once at most for each. */
export async function restartEach(
  cluster: Cluster,
  crowd: Crowd,
  times: { exits: Distribution; whole: Distribution },
): Promise<void> {
  for (const node of cluster.nodes) {
    const cut = crowd.on(node.port);
    const before = crowd.clients.map(({ closes }) => closes.length);
    const started = performance.now();
    const back = cut.map(async (client) => {
      await client.until(() => client.port !== node.port && client.isWhole);
      times.whole.add(performance.now() - started);
    });
    expect(await node.drain(), `exit code of ${node.name}`).toBe(0);
    times.exits.add(performance.now() - started);
    await within(HEALED_MAX_MS, `clients of ${node.name} whole again`, Promise.all(back));
    await node.start();
    await within(HEALED_MAX_MS, 'candles go on', crowd.advance(2));
    const cuts = crowd.clients.map(({ closes }, index) => closes.length - (before[index] ?? 0));
    expect(Math.max(...cuts), `reconnects of one client for ${node.name}`).toBeLessThanOrEqual(1);
  }
}

/** All connections of clients are cut at the same moment. */
export async function cutClients(crowd: Crowd, back: Distribution): Promise<void> {
  const started = performance.now();
  for (const { socket } of crowd.clients) socket?.terminate();
  const all = crowd.clients.map(async (client) => {
    await client.until(() => client.port === 0);
    await client.whole();
    back.add(performance.now() - started);
  });
  await within(HEALED_MAX_MS, 'all are back', Promise.all(all));
  await within(HEALED_MAX_MS, 'candles go on', crowd.advance(1));
}

/** The first clients do not read while `meanwhile` lasts; then everybody is whole. */
export async function stallClients(crowd: Crowd, count: number, meanwhile: () => Promise<void>): Promise<void> {
  const sockets = crowd.clients.slice(0, count).map(({ socket }) => socket);
  for (const socket of sockets) socket?.pause();
  await meanwhile();
  for (const socket of sockets) socket?.resume();
  await pause(200);
  await within(HEALED_MAX_MS, 'everybody is whole', crowd.whole());
  await within(HEALED_MAX_MS, 'candles go on', crowd.advance(2));
}
