import type { Clock } from '../kit/clock.js';
import type { Metric } from '../ops/metrics.js';
import { counts } from './counts.js';
import { feedMetrics } from './feed-metrics.js';
import type { Ingest } from './ingest.js';
import type { Store } from './store.js';

/** What the writing side counts, under the names that operators see. */
export function ingestMetrics(ingest: Ingest, { spool, writer }: Store, clock: Clock): Metric[] {
  return [
    ...feedMetrics(ingest, clock),
    {
      name: 'trades_total',
      help: 'Trades by what became of them.',
      labels: ['outcome'],
      read: () => counts('outcome', ingest.trades),
    },
    {
      name: 'trades_quarantined_total',
      help: 'Trades that were not folded, by feed and reason.',
      labels: ['feed', 'reason'],
      read: () => ingest.quarantined.map(([feed, reason, count]) => [{ feed, reason }, count]),
    },
    {
      name: 'events_published_total',
      help: 'Events published on the bus.',
      labels: ['kind'],
      read: () => counts('kind', ingest.published),
    },
    { name: 'events_waiting', help: 'Durable events that wait for the disk.', read: () => ingest.pendingEvents },
    { name: 'spool_bytes', help: 'Bytes of the spool on disk.', read: () => spool.stats().bytes },
    { name: 'spool_max_bytes', help: 'Bound of the spool (SPOOL_MAX_MB).', read: () => spool.stats().maxBytes },
    {
      name: 'spool_records',
      help: 'Records in the spool that wait for the database.',
      read: () => spool.stats().recordsBehind,
    },
    {
      name: 'spool_oldest_seconds',
      help: 'How long the oldest record in the spool has waited for the database.',
      read: () => (spool.stats().oldestAgeMs ?? 0) / 1000,
    },
    { name: 'spool_failed_commits_total', help: 'Writes the disk refused.', read: () => spool.stats().failedCommits },
    {
      name: 'writer_up',
      help: '1 while the database takes rows.',
      read: () => (writer.stats().state === 'away' ? 0 : 1),
    },
    {
      name: 'writer_batch_duration_seconds',
      help: 'From a batch of closed candles to its rows in the database, failed attempts included.',
      histograms: () => [[{}, writer.stats().durations]],
    },
    { name: 'writer_failures_total', help: 'Failed attempts to write.', read: () => writer.stats().failures },
    {
      name: 'writer_fenced_rows_total',
      help: 'Rows refused because another writer has taken over.',
      read: () => writer.stats().fencedRows,
    },
  ];
}
