import type { AnalyticsDatabase } from '../analytics/database.js';
import type { Subscriber } from '../bus/bus.js';
import type { TradeSubscriber } from '../bus/trades.js';
import type { HotWindow } from '../market/event.js';
import type { Interval } from '../market/interval.js';
import type { Metric } from '../ops/metrics.js';
import type { Ingest } from './ingest.js';
import type { Store } from './store.js';
import type { UsersSide } from './users.js';

export type Statuses = Pick<Subscriber, 'statuses' | 'onStatus'>;

/** What a process is made of besides its port, whether it is alone or one of many. */
export interface Parts {
  /** null: another node does it. */
  readonly ingest: Ingest | null;
  readonly store: Store | null;
  readonly subscriber: Subscriber | null;
  /** Accounts; null where this process has none. */
  readonly users: UsersSide | null;
  /** What clients are told of each symbol's feed; null without a subscriber. */
  readonly statuses: Statuses | null;
  readonly analytics: AnalyticsDatabase;
  /** Single trades; null: there are none to be had. */
  readonly trades: TradeSubscriber | null;
  /** The published state of a symbol; null for one that no feed brings. */
  live(symbol: string, interval: Interval): Promise<HotWindow | null>;
  /** Whether candles that are durable already may still be on their way into the database. */
  isStoreBehind(): boolean;
  /** Resolves when they have arrived, or after a moment. */
  storeCatchesUp(): Promise<void>;
  /** Begins to take in trades; the port is open. */
  goLive(): Promise<void>;
  notReady(): readonly string[];
  /** Rejects when the process cannot go on. */
  readonly failed: Promise<never>;
  readonly metrics: readonly Metric[];
}
