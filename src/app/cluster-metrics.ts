import type { RedisPublisher } from '../bus/redis/publisher.js';
import type { RedisSubscriber } from '../bus/redis/subscriber.js';
import type { Members } from '../cluster/members.js';
import type { Ownership } from '../cluster/ownership.js';
import type { Metric } from '../ops/metrics.js';

export interface ClusterParts {
  readonly members: Members | Ownership;
  readonly ownership: Ownership | null;
  readonly publisher: RedisPublisher | null;
  readonly subscriber: RedisSubscriber | null;
}

/** What a node of a cluster counts besides. */
export function clusterMetrics({ members, ownership, publisher, subscriber }: ClusterParts): Metric[] {
  return [
    { name: 'cluster_nodes', help: 'Live nodes that this one sees.', read: () => members.nodes().length },
    { name: 'cluster_beats_total', help: 'Signs of life sent.', read: () => members.stats().beats },
    { name: 'cluster_failed_beats_total', help: 'Signs of life that failed.', read: () => members.stats().failures },
    { name: 'clock_skew_seconds', help: "This clock minus Redis'.", read: () => members.skewMs / 1000 },
    ...(ownership === null ? [] : ownershipMetrics(ownership)),
    ...(publisher === null ? [] : publisherMetrics(publisher)),
    ...(subscriber === null ? [] : subscriberMetrics(subscriber)),
  ];
}

function ownershipMetrics(ownership: Ownership): Metric[] {
  const stats = () => ownership.stats();
  return [
    { name: 'partitions_owned', help: 'Partitions this node writes.', read: () => ownership.owned.size },
    { name: 'takeovers_total', help: 'Partitions taken.', read: () => stats().takeovers },
    { name: 'takeovers_failed_total', help: 'Attempts to take one that failed.', read: () => stats().failedTakeovers },
    { name: 'partitions_lost_total', help: 'Partitions another node has taken.', read: () => stats().losses },
    { name: 'handovers_total', help: 'Partitions given to a node that had fewer.', read: () => stats().handovers },
    {
      name: 'takeover_seconds',
      help: 'How long the latest takeover took, from the lease on.',
      read: () => stats().lastTakeoverMs / 1000,
    },
  ];
}
