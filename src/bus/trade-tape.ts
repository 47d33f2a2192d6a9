import type { Trade } from '../market/trade.js';

/** The latest trades of all symbols together that are kept for whoever begins to ask. */
const KEPT = 8192;

export type TradesListener = (symbol: string, trades: readonly Trade[]) => void;

/**
 * Single trades on their way to those who asked for them. Where nobody did, a trade costs one write into a ring; the others leave once
 * a turn of the loop, all of a symbol together, in the order in which they came.
 */
export class TradeTape {
  readonly #send: TradesListener;
  readonly #ring: Trade[] = [];
  #next = 0;
  readonly #wanted = new Set<string>();
  #pending = new Map<string, Trade[]>();

  constructor(send: TradesListener) {
    this.#send = send;
  }

  take(trade: Trade): void {
    this.#ring[this.#next] = trade;
    this.#next = (this.#next + 1) % KEPT;
    if (this.#wanted.size > 0 && this.#wanted.has(trade.symbol)) this.#queue(trade);
  }

  want(symbol: string): void {
    this.#wanted.add(symbol);
  }

  unwant(symbol: string): void {
    this.#wanted.delete(symbol);
  }

  /** The latest of the symbol that are kept, in the order in which they came. */
  recent(symbol: string, limit: number): readonly Trade[] {
    const all = [...this.#ring.slice(this.#next), ...this.#ring.slice(0, this.#next)];
    return all.filter((trade) => trade.symbol === symbol).slice(-limit);
  }

  #queue(trade: Trade): void {
    const waiting = this.#pending.get(trade.symbol);
    if (waiting) waiting.push(trade);
    else this.#pending.set(trade.symbol, [trade]);
    if (this.#pending.size === 1 && waiting === undefined) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const pending = this.#pending;
    this.#pending = new Map();
    for (const [symbol, trades] of pending) this.#send(symbol, trades);
  }
}
