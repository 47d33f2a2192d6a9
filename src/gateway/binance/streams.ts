import type { Channel } from '../../market/channel.js';
import { childOf, isAligned } from '../../market/shifted.js';
import type { KlineStream, Stream } from '../../wire/binance/stream.js';
import type { AnyTopic } from '../connection.js';
import type { Hub } from '../hub.js';
import type { Outlet } from '../topic.js';
import type { TradeSource } from '../trade-source.js';
import { Days } from './days.js';
import { klineTopic } from './kline-topic.js';
import { ShiftedKlines } from './shifted-klines.js';
import { Tapes } from './tape.js';

const LINGER_MS = 5_000;
export const NO_SUCH_SYMBOL = 'no feed has the symbol and nothing is stored for it';

/** A topic that a stream is, and when what it is made from is there. */
export interface Found {
  readonly topic: AnyTopic;
  /** Rejects with UnknownSymbol, or with HistoryUnavailable. */
  readonly ready: Promise<void>;
}

/** What every stream is made from. */
export class Streams {
  readonly days: Days;
  readonly #hub: Hub;
  readonly #tapes: Tapes | null;
  readonly #shifted = new Map<string, ShiftedKlines>();

  constructor(hub: Hub, outlet: Outlet, trades: TradeSource | null) {
    this.#hub = hub;
    this.days = new Days(hub, () => this.symbols(), outlet);
    this.#tapes = trades === null ? null : new Tapes(trades, hub.clock, outlet);
  }

  /** Those that a feed brings. */
  symbols(): readonly string[] {
    const fed = this.#hub.statuses().filter(({ state }) => state !== 'ended');
    return fed.map(({ symbol }) => symbol);
  }

  /** The topic of a stream in one of its forms; or a sentence that says why there is none. */
  find(stream: Stream, combined: boolean): Found | string {
    switch (stream.kind) {
      case 'kline':
        return isAligned(stream) ? this.#kline(stream, combined) : this.#shiftedKline(stream, combined);
      case 'ticker':
      case 'miniTicker': {
        const day = this.days.get(stream.symbol);
        return { topic: day.topics.get(stream.name, combined), ready: day.whenLive() };
      }
      case 'trade':
      case 'aggTrade':
        return this.#trades(stream.symbol, stream.name, combined);
      default:
        return { topic: this.days.topics.get(stream.name, combined), ready: Promise.resolve() };
    }
  }

  tick(): void {
    this.days.tick();
  }

  sweep(nowMs: number): void {
    this.days.sweep(nowMs);
    this.#tapes?.sweep(nowMs);
    for (const klines of this.#shifted.values()) if (klines.isIdle(nowMs, LINGER_MS)) this.#drop(klines);
  }

  stop(): void {
    this.#tapes?.stop();
  }

  #kline({ name, symbol, interval }: KlineStream, combined: boolean): Found {
    const channel = this.#hub.candles(symbol, interval);
    return { topic: klineTopic(channel, name, combined), ready: channel.whenLive() };
  }

  #shiftedKline(stream: KlineStream, combined: boolean): Found {
    const known = this.#shifted.get(stream.name);
    const klines = known ?? new ShiftedKlines(stream.name, this.#hub.candles(stream.symbol, childOf(stream)), stream);
    if (known === undefined) {
      this.#shifted.set(stream.name, klines);
      klines.whenLive().catch(() => this.#drop(klines));
    }
    return { topic: klines.topics.get(stream.name, combined), ready: klines.whenLive() };
  }

  #trades(symbol: string, name: string, combined: boolean): Found | string {
    if (this.#tapes === null) return 'this server has no single trades: klines and tickers it has';
    if (!this.#hub.statuses().some((status) => status.symbol === symbol)) return NO_SUCH_SYMBOL;
    const tape = this.#tapes.get(symbol);
    return { topic: tape.topics.get(name, combined), ready: tape.ready };
  }

  #drop(klines: ShiftedKlines): void {
    if (this.#shifted.get(klines.name) === klines) this.#shifted.delete(klines.name);
    klines.drop();
  }
}

/** What plans are asked about: the channel of the native protocol that holds the same; null: nothing that a plan bounds. */
export function channelOf(stream: Stream): Channel | null {
  if (!('symbol' in stream)) return null;
  const { symbol } = stream;
  const interval = stream.kind === 'kline' ? stream.interval : '1m';
  return { kind: 'candles', name: `candles:${symbol}:${interval}`, symbol, interval, closedOnly: false };
}
