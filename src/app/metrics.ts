import type { CandlePipeline } from '../candles/pipeline.js';
import type { Feed } from '../feed/feed.js';
import type { Gateway } from '../gateway/gateway.js';
import type { Labels, Metric } from '../ops/metrics.js';
import type { Spool } from '../store/spool/spool.js';
import type { TimescaleWriter } from '../store/timescale/writer.js';

export interface Measured {
  readonly pipeline: CandlePipeline;
  readonly spool: Spool;
  readonly writer: TimescaleWriter;
  readonly feeds: readonly Feed[];
  /** Not there before the server listens. */
  gateway(): Gateway;
}

/** What every stage counts, under the names that operators see. */
export function stageMetrics({ pipeline, spool, writer, feeds, gateway }: Measured): Metric[] {
  return [
    {
      name: 'trades_total',
      help: 'Trades by what became of them.',
      labels: ['outcome'],
      read: () => by('outcome', pipeline.trades),
    },
    {
      name: 'trades_quarantined_total',
      help: 'Trades that were not folded, by feed and reason.',
      labels: ['feed', 'reason'],
      read: () => feeds.flatMap(quarantined),
    },
    {
      name: 'events_published_total',
      help: 'Events published on the bus.',
      labels: ['kind'],
      read: () => by('kind', pipeline.published),
    },
    { name: 'events_waiting', help: 'Durable events that wait for the disk.', read: () => pipeline.pendingEvents },
    { name: 'spool_bytes', help: 'Bytes of the spool on disk.', read: () => spool.stats().bytes },
    { name: 'spool_max_bytes', help: 'Bound of the spool.', read: () => spool.stats().maxBytes },
    { name: 'spool_records', help: 'Records that wait for the database.', read: () => spool.stats().recordsBehind },
    {
      name: 'spool_oldest_seconds',
      help: 'How long the oldest of them has waited.',
      read: () => (spool.stats().oldestAgeMs ?? 0) / 1000,
    },
    { name: 'spool_failed_commits_total', help: 'Writes the disk refused.', read: () => spool.stats().failedCommits },
    {
      name: 'writer_up',
      help: '1 while the database takes rows.',
      read: () => (writer.stats().state === 'away' ? 0 : 1),
    },
    { name: 'writer_failures_total', help: 'Failed attempts to write.', read: () => writer.stats().failures },
    { name: 'connections', help: 'Open WebSocket connections.', read: () => gateway().stats.connections },
    { name: 'connections_total', help: 'Connections accepted.', read: () => gateway().stats.connectionsTotal },
    { name: 'connections_refused_total', help: 'Connections refused.', read: () => gateway().stats.refused },
    { name: 'connections_lagging', help: 'Slow clients off the live topics now.', read: () => gateway().stats.lagging },
    { name: 'lags_total', help: 'Times a client was found too slow.', read: () => gateway().stats.lagsTotal },
    { name: 'subscriptions', help: 'Channels of all connections.', read: () => gateway().stats.subscriptions },
    { name: 'channel_heals_total', help: 'Channels reloaded after a hole.', read: () => gateway().stats.heals },
    {
      name: 'deliveries_total',
      help: 'Messages to sockets.',
      labels: ['kind'],
      read: () => by('kind', gateway().stats.deliveries),
    },
    {
      name: 'closes_total',
      help: 'Connections closed, by close code.',
      labels: ['code'],
      read: () => by('code', gateway().stats.closes),
    },
    {
      name: 'errors_total',
      help: 'Error replies, by code.',
      labels: ['code'],
      read: () => by('code', gateway().stats.errors),
    },
  ];
}

function quarantined({ name, quarantine }: Feed): (readonly [Labels, number])[] {
  return [...(quarantine?.counts ?? [])].map(([reason, count]) => [
    { feed: name.replace(/^feed /, ''), reason },
    count,
  ]);
}

function by(label: string, counts: Readonly<Record<string, number | undefined>>): (readonly [Labels, number])[] {
  return Object.entries(counts).map(([key, count]) => [{ [label]: key }, count ?? 0]);
}
