import type { HotWindow, MarketEvent, SymbolStatus } from '../market/event.js';
import type { Interval } from '../market/interval.js';
import type { Position } from '../market/position.js';

/** What the gateway needs of the bus; the contract is that of bus/. */
export interface SourceBus {
  subscribe(symbol: string, interval: Interval): Promise<void>;
  unsubscribe(symbol: string, interval: Interval): void;
  onEvents(listener: (events: readonly MarketEvent[]) => void): () => void;
  window(symbol: string, interval: Interval): Promise<HotWindow | null>;
  positions(
    channels: readonly { readonly symbol: string; readonly interval: Interval }[],
  ): Promise<readonly (Position | null)[]>;
  onStatus(listener: (changed: readonly SymbolStatus[]) => void): () => void;
  statuses(): readonly SymbolStatus[];
  readonly up: boolean;
  onUp(listener: (up: boolean) => void): () => void;
}
