import type { Subscriber } from '../bus/bus.js';
import type { ClusterOptions } from '../cluster/membership.js';
import { Ownership } from '../cluster/ownership.js';
import { partitionOf, SYMBOL_PARTITIONS } from '../cluster/partitions.js';
import type { Interval } from '../market/interval.js';
import type { Metric } from '../ops/metrics.js';
import { Firings } from '../signals/rules/firings.js';
import { RuleRunner } from '../signals/rules/runner.js';
import { RuleService } from '../signals/rules/service.js';
import { RuleStore } from '../signals/rules/store.js';
import type { Around } from './around.js';
import { closedCandles } from './closed-candles.js';
import type { MarketView } from './market-view.js';
import type { SignalParts } from './signals.js';

/** What users do with their rules. `changed`: tells the runner of this process, where it has one. */
export function ruleService(
  { clock }: Around,
  { sql }: SignalParts,
  view: MarketView,
  changed: (symbol: string) => void,
): RuleService {
  const newestClosed = async (symbol: string, interval: Interval): Promise<number | null | undefined> => {
    // The open one may be among them.
    const { candles, known } = await view.query(symbol, interval, { limit: 2 });
    return known ? (candles.findLast(({ closed }) => closed)?.openTime ?? null) : undefined;
  };
  return new RuleService({ store: new RuleStore(sql), newestClosed, onChange: changed, clock });
}

/** Evaluates the rules on the symbols that `owns` says are ours; not started yet. */
export function ruleRunner(
  { clock, log, tracer }: Around,
  { sql, recipients, signals }: SignalParts,
  subscriber: Subscriber,
  view: MarketView,
  owns: (symbol: string) => boolean,
): RuleRunner {
  return new RuleRunner({
    rules: new RuleStore(sql),
    firings: new Firings(sql),
    candles: closedCandles(subscriber, view),
    sink: signals,
    owns,
    entitlements: (userIds) => recipients.entitlements(userIds),
    clock,
    log,
    ...(tracer && { tracer }),
  });
}

export interface Rules {
  readonly runner: RuleRunner;
  readonly ownership: Ownership;
}

/**
 * Evaluates the rules on the symbols that this node has of all that share the role. That is only so that they do not do the same
 * work: that a firing is written once is kept by PostgreSQL.
 */
export function openRules(
  around: Around,
  parts: SignalParts,
  membership: ClusterOptions,
  subscriber: Subscriber,
  view: MarketView,
): Rules {
  const owned = new Set<string>();
  const runner = ruleRunner(around, parts, subscriber, view, (symbol) => owned.has(partitionOf(symbol)));
  const ownership = new Ownership({
    ...membership,
    prefix: `${membership.prefix}rules:`,
    partitions: SYMBOL_PARTITIONS,
    take: async (partition) => {
      owned.add(partition);
      runner.refresh();
    },
    drop: async (partition) => {
      owned.delete(partition);
      runner.refresh();
    },
  });
  return { runner, ownership };
}

export function ruleMetrics(runner: RuleRunner): Metric[] {
  const { stats } = runner;
  return [
    { name: 'rule_series', help: 'Candle series that rules here are on.', read: () => runner.size.series },
    {
      name: 'rule_series_ready',
      help: 'Series that rules here are on and that are up to date.',
      read: () => runner.size.ready,
    },
    {
      name: 'rule_candles_total',
      help: 'Closes and corrections that rules were evaluated on.',
      read: () => stats.candles,
    },
    { name: 'rules_fired_total', help: 'Firings, corrected ones included.', read: () => stats.fired },
    { name: 'rules_withdrawn_total', help: 'Firings that a correction took back.', read: () => stats.withdrawn },
    {
      name: 'rules_withheld_total',
      help: 'Firings that were not told, because the plan of the owner does not have them.',
      labels: ['reason'],
      read: () => Object.entries(runner.withheld).map(([reason, count]) => [{ reason }, count] as const),
    },
    { name: 'rule_failures_total', help: 'Attempts that failed and were made again.', read: () => stats.failed },
  ];
}
