import { parseRedisUrl } from '../../kit/redis.js';
import { type Interval, isInterval } from '../../market/interval.js';
import { isSymbol } from '../../market/symbol.js';
import type { ChannelKey } from '../bus.js';

/** Where one (symbol, interval) is in Redis. All of it is on one node of a cluster, by the braces. */
export interface ChannelNames {
  /** String: JSON array of the latest closed candles, ascending. */
  readonly window: string;
  /** Hash: epoch, session, seq, count, last, gaps. */
  readonly state: string;
  /** String: the open candle. */
  readonly open: string;
  /** Pub/sub channel. */
  readonly live: string;
}

/** Names of everything the bus has in Redis; `prefix` holds no braces. */
export class Names {
  /** Sharded pub/sub is to be used for `live`. */
  readonly cluster: boolean;
  /** Hash: symbol → epoch and status. */
  readonly statuses: string;
  readonly statusLive: string;
  /** Channel on which subscribers say what they begin to follow. */
  readonly demand: string;
  /** The same for single trades. */
  readonly tradesDemand: string;
  readonly #prefix: string;
  /** Pub/sub knows no databases: channels carry the number themselves. */
  readonly #channelPrefix: string;

  constructor(url: string, prefix: string) {
    const target = parseRedisUrl(url);
    const db = target?.db ?? 0;
    this.cluster = target?.kind === 'cluster';
    this.#prefix = prefix;
    this.#channelPrefix = db === 0 ? prefix : `${prefix}db${db}:`;
    this.statuses = `${prefix}status`;
    this.statusLive = `${this.#channelPrefix}live:{${this.statuses}}`;
    this.demand = `${this.#channelPrefix}demand`;
    this.tradesDemand = `${this.#channelPrefix}demand:trades`;
  }

  of(symbol: string, interval: Interval): ChannelNames {
    const window = `${this.#prefix}ohlcv:${symbol}:${interval}`;
    return {
      window,
      state: `${this.#prefix}state:{${window}}`,
      open: `${this.#prefix}open:{${window}}`,
      live: this.live(symbol, interval),
    };
  }

  live(symbol: string, interval: Interval): string {
    return `${this.#channelPrefix}live:{${this.#prefix}ohlcv:${symbol}:${interval}}`;
  }

  /** Matches every `live` channel, for PUBSUB CHANNELS. */
  get livePattern(): string {
    return `${this.#channelPrefix}live:{*`;
  }

  /** Pub/sub channel of the single trades of a symbol. */
  trades(symbol: string): string {
    return `${this.#channelPrefix}trades:{${this.#prefix}${symbol}}`;
  }

  get tradesPattern(): string {
    return `${this.#channelPrefix}trades:{*`;
  }

  /** @returns null where it is not one of `trades`. */
  parseTrades(channel: string): string | null {
    const start = `${this.#channelPrefix}trades:{${this.#prefix}`;
    const symbol = channel.startsWith(start) && channel.endsWith('}') ? channel.slice(start.length, -1) : '';
    return isSymbol(symbol) ? symbol : null;
  }

  /** @returns null where it is not one of `live`. */
  parseLive(channel: string): ChannelKey | null {
    const start = `${this.#channelPrefix}live:{${this.#prefix}ohlcv:`;
    if (!channel.startsWith(start) || !channel.endsWith('}')) return null;
    const [symbol = '', interval = '', ...rest] = channel.slice(start.length, -1).split(':');
    return rest.length === 0 && isSymbol(symbol) && isInterval(interval) ? { symbol, interval } : null;
  }
}
