import type { HotWindow, MarketEvent, SymbolStatus } from '../market/event.js';
import type { Interval } from '../market/interval.js';
import type { Position } from '../market/position.js';

/** The ingest side. Nothing here waits: what cannot be sent now is sent, or made up for by the window, later. */
export interface Publisher {
  /** One call is one batch. */
  publish(events: readonly MarketEvent[]): void;
  /** Replaces the status of each symbol given. */
  publishStatus(changed: readonly SymbolStatus[]): void;
  /** Whether anybody listens, so that updates of open candles are made only where they are wanted. */
  wants(symbol: string, interval: Interval): boolean;
}

/**
 * The gateway side. Contract, the same for every implementation:
 * - one `publish` is one batch: a listener gets what it asked for of a (symbol, interval) in it in one call, in order;
 * - events of a (symbol, interval) arrive once its `subscribe` has resolved and until `unsubscribe`;
 * - `window` holds at least every durable event that was delivered before it was called;
 * - delivery may fail: receivers compare `epoch` and `prev` and load the window anew; `positions` tells whether the last
 *   message was lost.
 */
export interface Subscriber {
  /** Starts demand; resolves when every later event will arrive. Not counted: one `unsubscribe` ends it. Rejects while the bus is down. */
  subscribe(symbol: string, interval: Interval): Promise<void>;
  unsubscribe(symbol: string, interval: Interval): void;
  /** Batches are never empty. @returns a function that removes the listener. */
  onEvents(listener: EventsListener): () => void;
  /** The published state; null: no such symbol. Rejects when it cannot be read now. */
  window(symbol: string, interval: Interval): Promise<HotWindow | null>;
  /** What was published last on each channel, in the order asked; null where nothing is known. Rejects while the bus is down. */
  positions(channels: readonly ChannelKey[]): Promise<readonly (Position | null)[]>;
  onStatus(listener: StatusListener): () => void;
  /** The latest status of every symbol, by symbol. */
  statuses(): readonly SymbolStatus[];
  /** false: what arrives may be old or nothing; channels subscribed stay so and arrive again when it is true again. */
  readonly up: boolean;
  /** Called with every change of `up`. @returns a function that removes the listener. */
  onUp(listener: (up: boolean) => void): () => void;
}

export type Bus = Publisher & Subscriber;

export interface ChannelKey {
  readonly symbol: string;
  readonly interval: Interval;
}

export type EventsListener = (events: readonly MarketEvent[]) => void;
export type StatusListener = (changed: readonly SymbolStatus[]) => void;
