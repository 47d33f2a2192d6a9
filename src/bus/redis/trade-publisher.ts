import type { Service } from '../../kit/service.js';
import type { Trade } from '../../market/trade.js';
import { TradeTape } from '../trade-tape.js';
import { RECENT_TRADES } from '../trades.js';
import { TradeLink, type TradeLinkOptions } from './trade-link.js';
import { decodeDemand, encodeTrades } from './trade-message.js';

const POLL_MS = 1000;
/** Trades of one message. */
const PART = 1000;

/** The ingest side of single trades: what is taken goes to those nodes that listen. Lost is what Redis does not take at the moment. */
export class RedisTradePublisher implements Service {
  readonly name = 'redis trades';
  readonly tape = new TradeTape((symbol, trades) => this.#send(symbol, trades, false));
  readonly #options: TradeLinkOptions;
  #link: TradeLink | null = null;
  #wanted = new Set<string>();
  #hinted = new Set<string>();
  #stopPoll: () => void = () => {};

  constructor(options: TradeLinkOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const link = new TradeLink(
      this.#options,
      'trades',
      (_channel, text) => this.#asked(text),
      () => {},
    );
    this.#link = link;
    link.want(link.names.tradesDemand, false).catch(() => {});
    this.#stopPoll = this.#options.clock.every(POLL_MS, () => void this.#poll());
  }

  async stop(): Promise<void> {
    this.#stopPoll();
    this.#link?.close();
  }

  /** Somebody begins to listen: what was before comes first, also where others listen already. */
  #asked(text: string): void {
    const symbol = decodeDemand(text);
    if (symbol === null) return;
    this.#hinted.add(symbol);
    this.#wanted.add(symbol);
    this.tape.want(symbol);
    const recent = this.tape.recent(symbol, RECENT_TRADES);
    if (recent.length > 0) this.#send(symbol, recent, true);
  }

  async #poll(): Promise<void> {
    this.#hinted = new Set();
    try {
      const found = new Set([...((await this.#link?.wanted()) ?? []), ...this.#hinted]);
      for (const symbol of found) this.tape.want(symbol);
      for (const symbol of this.#wanted) if (!found.has(symbol)) this.tape.unwant(symbol);
      this.#wanted = found;
    } catch {
      // Redis is away: what was wanted stays wanted.
    }
  }

  #send(symbol: string, trades: readonly Trade[], recent: boolean): void {
    const link = this.#link;
    if (link === null) return;
    for (let i = 0; i < trades.length; i += PART)
      link.publish(link.names.trades(symbol), encodeTrades({ recent, trades: trades.slice(i, i + PART) }), true);
  }
}
