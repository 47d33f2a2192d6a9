import type { Clock } from '../kit/clock.js';
import { FEED_STATES, type FeedState, type SymbolStatus } from '../market/event.js';
import type { Labels, Metric } from '../ops/metrics.js';
import type { Ingest } from './ingest.js';

interface FeedSum {
  readonly states: Map<FeedState, number>;
  /** Event time of the newest trade of any of its symbols. */
  newest: number | null;
}

/** How the feeds of the symbols that are owned here do. */
export function feedMetrics(ingest: Ingest, clock: Clock): Metric[] {
  return [
    {
      name: 'feed_symbols',
      help: 'Symbols owned here, by feed and the state of it.',
      labels: ['feed', 'state'],
      read: () =>
        [...bySource(ingest.statuses())].flatMap(([feed, { states }]) =>
          FEED_STATES.map((state) => [{ feed, state }, states.get(state) ?? 0] as const),
        ),
    },
    {
      name: 'feed_newest_trade_age_seconds',
      help: "Age of the newest trade of any of a feed's symbols, by its event time.",
      labels: ['feed'],
      read: () =>
        [...bySource(ingest.statuses())].flatMap(([feed, { newest }]) =>
          newest === null ? [] : [[{ feed }, Math.max(0, clock.now() - newest) / 1000] as const],
        ),
    },
  ];
}

/** What clients are told; a symbol whose writer is dead is stale here and owned nowhere. */
export function statusMetric(statuses: () => readonly SymbolStatus[]): Metric {
  return {
    name: 'symbols',
    help: 'Symbols by the state that clients are told.',
    labels: ['state'],
    across: 'max',
    read: () => {
      const counts = new Map<FeedState, number>();
      for (const { state } of statuses()) counts.set(state, (counts.get(state) ?? 0) + 1);
      return FEED_STATES.map((state): readonly [Labels, number] => [{ state }, counts.get(state) ?? 0]);
    },
  };
}

function bySource(statuses: Iterable<SymbolStatus>): ReadonlyMap<string, FeedSum> {
  const sums = new Map<string, FeedSum>();
  for (const { source, state, lastTradeTime } of statuses) {
    const sum = sums.get(source) ?? { states: new Map(), newest: null };
    sums.set(source, sum);
    sum.states.set(state, (sum.states.get(state) ?? 0) + 1);
    if (lastTradeTime !== null && lastTradeTime > (sum.newest ?? 0)) sum.newest = lastTradeTime;
  }
  return sums;
}
