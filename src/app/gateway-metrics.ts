import type { GatewayStats } from '../gateway/stats.js';
import type { Metric } from '../ops/metrics.js';
import { counts } from './counts.js';

/** What the serving side counts. */
export function gatewayMetrics(stats: GatewayStats): Metric[] {
  return [
    { name: 'connections', help: 'Open WebSocket connections.', read: () => stats.connections },
    { name: 'connections_total', help: 'Connections accepted.', read: () => stats.connectionsTotal },
    {
      name: 'connections_refused_total',
      help: 'Connections refused, by reason.',
      labels: ['reason'],
      read: () => counts('reason', stats.refusals),
    },
    {
      name: 'client_round_trip_seconds',
      help: 'From a ping to its answer: the client has read everything sent before it.',
      histograms: () => [[{}, stats.roundTrip]],
    },
    {
      name: 'signal_lag_seconds',
      help: "From the making of a signal to its user's sockets here.",
      histograms: () => [[{}, stats.signalLag]],
    },
    {
      name: 'connections_authenticated',
      help: 'Open connections that have authenticated.',
      read: () => stats.authenticated,
    },
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
      read: () => counts('kind', stats.deliveries),
    },
    {
      name: 'closes_total',
      help: 'Connections closed, by close code.',
      labels: ['code'],
      read: () => counts('code', stats.closes),
    },
    {
      name: 'errors_total',
      help: 'Error replies, by code.',
      labels: ['code'],
      read: () => counts('code', stats.errors),
    },
  ];
}
