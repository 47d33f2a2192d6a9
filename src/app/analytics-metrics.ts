import type { Analytics } from '../analytics/analytics.js';
import type { Metric, Reading } from '../ops/metrics.js';
import type { Keeper } from './analytics-keeper.js';

/** What is copied into ClickHouse, and what was found to differ, by table. */
export function analyticsMetrics(database: Analytics, keeper: Keeper): Metric[] {
  const byTable = (counts: Readonly<Record<string, number>>): Reading =>
    Object.entries(counts).map(([table, count]) => [{ table }, count] as const);
  return [
    {
      name: 'analytics_up',
      help: '1 while ClickHouse answers; 0 when it did not at the last attempt, -1 when nobody has asked it.',
      read: () => (database.up === null ? -1 : Number(database.up)),
    },
    {
      name: 'analytics_rows_written_total',
      help: 'Days written to ClickHouse because they were missing or had changed.',
      read: () => keeper.filler.stats.rowsWritten,
    },
    {
      name: 'analytics_fill_failures_total',
      help: 'Attempts to copy days that failed and are made again.',
      read: () => keeper.filler.stats.failures,
    },
    {
      name: 'analytics_filled_until_timestamp_seconds',
      help: 'Days before this time are in ClickHouse; 0 before the first pass.',
      read: () => (keeper.filler.filledUntil ?? 0) / 1000,
    },
    {
      name: 'reconciliation_candles_differ',
      help: 'Candles that differ from what they are made of and are not put right, by table. Should be 0.',
      labels: ['table'],
      read: () => byTable(keeper.reconciler.differing),
    },
    {
      name: 'reconciliation_differences_total',
      help: 'Candles found to differ from what they are made of, by table. Should not grow.',
      labels: ['table'],
      read: () => byTable(keeper.reconciler.found),
    },
    {
      name: 'reconciliation_rounds_total',
      help: 'Times that every stored candle was compared, without a failure.',
      read: () => keeper.reconciler.stats.rounds,
    },
    {
      name: 'reconciliation_failures_total',
      help: 'Stretches that could not be compared or put right, and are tried again in the next round.',
      read: () => keeper.reconciler.stats.failures,
    },
  ];
}
