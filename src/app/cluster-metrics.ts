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
    {
      name: 'cluster_nodes',
      help: 'Live nodes that this one sees.',
      across: 'max',
      read: () => members.nodes().length,
    },
    {
      name: 'redis_round_trip_seconds',
      help: "From a sign of life to Redis' answer.",
      histograms: () => [[{}, members.stats().roundTrips]],
    },
    { name: 'cluster_beats_total', help: 'Signs of life sent.', read: () => members.stats().beats },
    { name: 'cluster_failed_beats_total', help: 'Signs of life that failed.', read: () => members.stats().failures },
    {
      name: 'clock_skew_seconds',
      help: "This clock minus Redis'.",
      across: 'max',
      read: () => members.skewMs / 1000,
    },
    ...(ownership === null ? [] : ownershipMetrics(ownership)),
    ...(publisher === null ? [] : publisherMetrics(publisher)),
    ...(subscriber === null ? [] : subscriberMetrics(subscriber)),
  ];
}

function ownershipMetrics(ownership: Ownership): Metric[] {
  const stats = () => ownership.stats();
  return [
    { name: 'partitions', help: 'Partitions that FEEDS has symbols in.', read: () => ownership.partitions.length },
    { name: 'partitions_owned', help: 'Partitions this node writes.', read: () => ownership.owned.size },
    { name: 'takeovers_total', help: 'Partitions taken.', read: () => stats().takeovers },
    {
      name: 'takeovers_failed_total',
      help: 'Attempts to take a partition that failed.',
      read: () => stats().failedTakeovers,
    },
    { name: 'partitions_lost_total', help: 'Partitions another node has taken.', read: () => stats().losses },
    { name: 'handovers_total', help: 'Partitions given to a node that had fewer.', read: () => stats().handovers },
    {
      name: 'takeover_seconds',
      help: 'How long the latest takeover took, from the lease on.',
      read: () => stats().lastTakeoverMs / 1000,
    },
  ];
}

function publisherMetrics(publisher: RedisPublisher): Metric[] {
  return [
    {
      name: 'bus_publisher_up',
      help: '1 while Redis takes what is published.',
      across: 'min',
      read: () => (publisher.up ? 1 : 0),
    },
    { name: 'bus_published_events_total', help: 'Events stored and published.', read: () => publisher.stats.events },
    {
      name: 'bus_published_messages_total',
      help: 'Messages that events were published in.',
      read: () => publisher.stats.messages,
    },
    { name: 'bus_stored_windows_total', help: 'Whole windows stored.', read: () => publisher.stats.stores },
    { name: 'bus_sent_bytes_total', help: 'Bytes sent to Redis.', read: () => publisher.stats.bytes },
    {
      name: 'bus_publish_duration_seconds',
      help: "From a pipeline of messages to Redis' answers.",
      histograms: () => [[{}, publisher.durations]],
    },
    {
      name: 'bus_failures_total',
      help: 'What Redis did not take, by reason.',
      labels: ['reason'],
      read: () => Object.entries(publisher.stats.failures).map(([reason, count]) => [{ reason }, count]),
    },
    {
      name: 'bus_fenced_total',
      help: 'Channels on which a newer writer was found.',
      read: () => publisher.stats.fenced,
    },
    {
      name: 'bus_replaced_updates_total',
      help: 'Updates of open candles that newer ones replaced before they were sent.',
      read: () => publisher.stats.replaced,
    },
  ];
}

function subscriberMetrics(subscriber: RedisSubscriber): Metric[] {
  const { stats } = subscriber;
  return [
    {
      name: 'bus_up',
      help: '1 while what is published arrives.',
      across: 'min',
      read: () => (subscriber.up ? 1 : 0),
    },
    { name: 'bus_received_events_total', help: 'Events that arrived.', read: () => stats.events },
    { name: 'bus_received_bytes_total', help: 'Bytes that arrived.', read: () => stats.bytes },
    { name: 'bus_downs_total', help: 'Times the bus went away.', read: () => stats.downs },
    {
      name: 'bus_foreign_messages_total',
      help: 'Messages on our channels that are not ours.',
      read: () => stats.foreign,
    },
  ];
}
