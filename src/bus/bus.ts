import type { HotWindow, MarketEvent, SymbolStatus } from '../market/event.js';
import type { Interval } from '../market/interval.js';

/**
 * Carries what ingest publishes to the gateways. Contract, the same for every implementation:
 * - one `publish` is one batch: a listener gets what it asked for of it in one call, in order;
 * - events of a (symbol, interval) arrive once its `subscribe` has resolved and until `unsubscribe`;
 * - `window` holds at least every durable event that was delivered before it was called;
 * - delivery may fail: receivers compare `prev` and reload the window.
 */
export interface Bus {
  publish(events: readonly MarketEvent[]): void;
  /** Starts demand; resolves when every later event will arrive. Not counted: one `unsubscribe` ends it. */
  subscribe(symbol: string, interval: Interval): Promise<void>;
  unsubscribe(symbol: string, interval: Interval): void;
  /** Batches are never empty. @returns a function that removes the listener. */
  onEvents(listener: EventsListener): () => void;
  /** The published state; null: no such symbol. Rejects when it cannot be read now. */
  window(symbol: string, interval: Interval): Promise<HotWindow | null>;
  /** Replaces the status of each symbol given. */
  publishStatus(changed: readonly SymbolStatus[]): void;
  onStatus(listener: StatusListener): () => void;
  /** The latest status of every symbol, by symbol. */
  statuses(): readonly SymbolStatus[];
}

export type EventsListener = (events: readonly MarketEvent[]) => void;
export type StatusListener = (changed: readonly SymbolStatus[]) => void;
