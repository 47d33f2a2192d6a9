import type { Trade } from '../market/trade.js';

/** What the gateway needs of single trades; they are made for those who ask, and nobody else pays for them. */
export interface TradeSource {
  /** Starts demand; resolves when every later trade will arrive. Not counted: one `unsubscribe` ends it. */
  subscribe(symbol: string): Promise<void>;
  unsubscribe(symbol: string): void;
  /** Trades of one symbol in the order in which they came; never none. */
  onTrades(listener: (symbol: string, trades: readonly Trade[]) => void): () => void;
  /** The latest that are kept, in the order in which they came. */
  recent(symbol: string): Promise<readonly Trade[]>;
}
