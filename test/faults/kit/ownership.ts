import type { Cluster } from './cluster.js';
import type { Crowd } from './crowd.js';
import type { ClusterNode } from './node.js';
import { pick, type Random } from './random.js';

export interface Owner {
  readonly node: ClusterNode;
  readonly symbols: readonly string[];
}

/** A running node that holds the lease of at least one symbol; asks until every symbol has an owner. */
export async function ownerWithSymbols(cluster: Cluster, random: Random): Promise<Owner> {
  const owners = await cluster.owned();
  const nodes = [...new Set(owners.values())].filter((node) => node !== null);
  const node = pick(random, nodes);
  return { node, symbols: [...owners].filter(([, owner]) => owner === node).map(([symbol]) => symbol) };
}

/**
 * Resolves when every client has had a message of a newer epoch than now on every channel of the symbols.
 * @param told is called with the time of each, performance.now().
 */
export async function untilNewEpoch(
  { clients }: Crowd,
  symbols: readonly string[],
  told: (atMs: number) => void,
): Promise<void> {
  const channels = clients.flatMap((client) =>
    [...client.channels.values()]
      .filter(({ symbol, interval }) => symbols.includes(symbol) && interval === '1m')
      .map((channel) => ({ client, channel, epoch: channel.position?.epoch ?? 0 })),
  );
  await Promise.all(
    channels.map(async ({ client, channel, epoch }) => {
      await client.until(() => (channel.position?.epoch ?? 0) > epoch);
      told(channel.arrivals.find((arrival) => arrival.epoch > epoch)?.atMs ?? performance.now());
    }),
  );
}
