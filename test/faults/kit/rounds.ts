import { setTimeout as pause } from 'node:timers/promises';
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
