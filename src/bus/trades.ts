import type { Trade } from '../market/trade.js';
import { type TradesListener, TradeTape } from './trade-tape.js';

/** Single trades beside the events of the bus: made only for those who ask, and nobody makes up for what is lost of them. */
export interface TradeSubscriber {
  /** Starts demand; resolves when every later trade will arrive. Not counted: one `unsubscribe` ends it. Rejects while the bus is down. */
  subscribe(symbol: string): Promise<void>;
  unsubscribe(symbol: string): void;
  /** Never without trades. @returns a function that removes the listener. */
  onTrades(listener: TradesListener): () => void;
  /** The latest that are kept, at most 1000, in the order in which they came. Rejects while the bus is down. */
  recent(symbol: string): Promise<readonly Trade[]>;
}

export const RECENT_TRADES = 1000;

/** The trades of a single process. */
export class LocalTrades implements TradeSubscriber {
  readonly tape = new TradeTape((symbol, trades) => {
    for (const listener of this.#listeners) listener(symbol, trades);
  });
  readonly #listeners = new Set<TradesListener>();

  async subscribe(symbol: string): Promise<void> {
    this.tape.want(symbol);
  }

  unsubscribe(symbol: string): void {
    this.tape.unwant(symbol);
  }

  onTrades(listener: TradesListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async recent(symbol: string): Promise<readonly Trade[]> {
    return this.tape.recent(symbol, RECENT_TRADES);
  }
}
