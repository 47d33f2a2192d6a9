import type { Feed } from '../feed/feed.js';
import type { GatewayStats } from '../gateway/stats.js';
import type { Labels, Metric } from '../ops/metrics.js';
import type { Ingest } from './ingest.js';
import type { Store } from './store.js';

/** What the writing side counts, under the names that operators see. */
export function ingestMetrics(ingest: Ingest, { spool, writer }: Store): Metric[] {
  return [
    {
      name: 'trades_total',
      help: 'Trades by what became of them.',
      labels: ['outcome'],
      read: () => by('outcome', ingest.trades),
    },
    {
      name: 'trades_quarantined_total',
      help: 'Trades that were not folded, by feed and reason.',
      labels: ['feed', 'reason'],
      read: () => ingest.feeds.flatMap(quarantined),
    },
    {
      name: 'events_published_total',
      help: 'Events published on the bus.',
      labels: ['kind'],
      read: () => by('kind', ingest.published),
    },
    { name: 'events_waiting', help: 'Durable events that wait for the disk.', read: () => ingest.pendingEvents },
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
    {
      name: 'writer_fenced_rows_total',
      help: 'Rows refused because another writer has taken over.',
      read: () => writer.stats().fencedRows,
    },
  ];
}

/** What the serving side counts. */
export function gatewayMetrics(stats: GatewayStats): Metric[] {
  return [
    { name: 'connections', help: 'Open WebSocket connections.', read: () => stats.connections },
    { name: 'connections_total', help: 'Connections accepted.', read: () => stats.connectionsTotal },
    { name: 'connections_refused_total', help: 'Connections refused.', read: () => stats.refused },
    { name: 'connections_authenticated', help: 'Those of users.', read: () => stats.authenticated },
    { name: 'users', help: 'Users with connections here.', read: () => stats.users },
    { name: 'auth_failures_total', help: 'Tokens refused on connections.', read: () => stats.authFailures },
    { name: 'auth_rechecks_total', help: 'Logins looked at again.', read: () => stats.rechecks },
    { name: 'signal_reads_total', help: 'Reads of signals that were missed.', read: () => stats.signalReads },
    { name: 'connections_lagging', help: 'Slow clients off the live topics now.', read: () => stats.lagging },
    { name: 'lags_total', help: 'Times a client was found too slow.', read: () => stats.lagsTotal },
    { name: 'subscriptions', help: 'Channels of all connections.', read: () => stats.subscriptions },
    { name: 'channel_heals_total', help: 'Channels reloaded after a hole.', read: () => stats.heals },
    {
      name: 'channels_stale',
      help: 'Channels whose clients are told that data is stale.',
      read: () => stats.staleChannels,
    },
    { name: 'events_outdated_total', help: 'Events of an older writer, dropped.', read: () => stats.outdatedEvents },
    {
      name: 'frames_passed_total',
      help: 'Frames passed on as they came over the bus.',
      read: () => stats.passedFrames,
    },
    {
      name: 'history_reads_total',
      help: 'Reads of the database for snapshots and resumes.',
      read: () => stats.historyReads,
    },
    { name: 'replays', help: 'Replays that go on now.', read: () => stats.replays },
    { name: 'replays_total', help: 'Replays begun.', read: () => stats.replaysTotal },
    { name: 'replay_candles_total', help: 'Candles read and replayed.', read: () => stats.replayCandles },
    {
      name: 'deliveries_total',
      help: 'Messages to sockets.',
      labels: ['kind'],
      read: () => by('kind', stats.deliveries),
    },
    {
      name: 'closes_total',
      help: 'Connections closed, by close code.',
      labels: ['code'],
      read: () => by('code', stats.closes),
    },
    {
      name: 'errors_total',
      help: 'Error replies, by code.',
      labels: ['code'],
      read: () => by('code', stats.errors),
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
