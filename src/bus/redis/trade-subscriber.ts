import type { Service } from '../../kit/service.js';
import type { Trade } from '../../market/trade.js';
import type { TradesListener } from '../trade-tape.js';
import { RECENT_TRADES, type TradeSubscriber } from '../trades.js';
import { BusUnavailable } from './read.js';
import { TradeLink, type TradeLinkOptions } from './trade-link.js';
import { decodeTrades, type TradeMessage } from './trade-message.js';

/** Whoever asks for the latest trades is likely to ask again. */
const LEASE_MS = 60_000;
const SWEEP_MS = 5_000;
/** The ingest node is given so long to send what was before. */
const RECENT_MS = 1_000;

/** Trades of one symbol that are listened to. */
interface Heard {
  /** Subscribed, not only looked at. */
  followed: boolean;
  leaseUntil: number;
  kept: readonly Trade[];
  /** What was before has come, or is not waited for any more. */
  readonly ready: Promise<void>;
  isReady(): void;
}

/** The gateway side of single trades over Redis. */
export class RedisTradeSubscriber implements TradeSubscriber, Service {
  readonly name = 'redis trades';
  readonly #options: TradeLinkOptions;
  readonly #listeners = new Set<TradesListener>();
  readonly #heard = new Map<string, Heard>();
  #link: TradeLink | null = null;
  #stopSweep: () => void = () => {};

  constructor(options: TradeLinkOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#link = new TradeLink(
      this.#options,
      'trades',
      (channel, text) => this.#hear(channel, text),
      () => {},
    );
    this.#stopSweep = this.#options.clock.every(SWEEP_MS, () => this.#sweep());
  }

  async stop(): Promise<void> {
    this.#stopSweep();
    this.#link?.close();
  }

  onTrades(listener: TradesListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async subscribe(symbol: string): Promise<void> {
    const heard = await this.#listen(symbol);
    heard.followed = true;
  }

  unsubscribe(symbol: string): void {
    const heard = this.#heard.get(symbol);
    if (heard !== undefined) heard.followed = false;
    this.#sweep();
  }

  async recent(symbol: string): Promise<readonly Trade[]> {
    const heard = await this.#listen(symbol);
    heard.leaseUntil = this.#options.clock.now() + LEASE_MS;
    await heard.ready;
    return heard.kept;
  }

  async #listen(symbol: string): Promise<Heard> {
    const link = this.#link;
    if (link === null || !link.up) throw new BusUnavailable('Redis is away');
    const known = this.#heard.get(symbol);
    if (known) return known;
    const heard = this.#create();
    this.#heard.set(symbol, heard);
    try {
      await link.want(link.names.trades(symbol), true);
    } catch (error) {
      this.#forget(symbol);
      throw new BusUnavailable(`Redis does not take the subscription: ${(error as Error).message}`);
    }
    link.publish(link.names.tradesDemand, symbol, false);
    return heard;
  }

  #create(): Heard {
    const { clock } = this.#options;
    let isReady = (): void => {};
    const ready = new Promise<void>((resolve) => {
      const cancel = clock.after(RECENT_MS, resolve);
      isReady = () => {
        cancel();
        resolve();
      };
    });
    return { followed: false, leaseUntil: clock.now() + LEASE_MS, kept: [], ready, isReady };
  }

  #hear(channel: string, text: string): void {
    const symbol = this.#link?.names.parseTrades(channel) ?? null;
    const heard = symbol === null ? undefined : this.#heard.get(symbol);
    const message = symbol === null ? null : decodeTrades(symbol, text);
    if (symbol === null || heard === undefined || message === null) return;
    keep(heard, message);
    if (message.recent) heard.isReady();
    else if (message.trades.length > 0 && heard.followed)
      for (const listener of this.#listeners) listener(symbol, message.trades);
  }

  #sweep(): void {
    const now = this.#options.clock.now();
    for (const [symbol, { followed, leaseUntil }] of this.#heard)
      if (!followed && leaseUntil <= now) this.#forget(symbol);
  }

  #forget(symbol: string): void {
    this.#heard.get(symbol)?.isReady();
    this.#heard.delete(symbol);
    this.#link?.drop(this.#link.names.trades(symbol));
  }
}

/** What was before goes in front of what came since. */
function keep(heard: Heard, { recent, trades }: TradeMessage): void {
  if (!recent) {
    heard.kept = [...heard.kept, ...trades].slice(-RECENT_TRADES);
    return;
  }
  const known = new Set(heard.kept.map(({ id }) => id));
  heard.kept = [...trades.filter(({ id }) => !known.has(id)), ...heard.kept].slice(-RECENT_TRADES);
}
