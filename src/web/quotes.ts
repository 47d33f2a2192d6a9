import type { WireCandle } from '../wire/messages.js';
import type { Channels } from './channels.js';

/** Symbols that are followed at once while the list is open. */
const MAX_FOLLOWED = 60;

/** Last price and the day's change of symbols, from their daily candles. Followed only while somebody looks. */
export class Quotes {
  readonly #channels: Channels;
  readonly #onQuote: (symbol: string) => void;
  readonly #days = new Map<string, WireCandle>();
  readonly #followed = new Set<string>();

  constructor(channels: Channels, onQuote: (symbol: string) => void) {
    this.#channels = channels;
    this.#onQuote = onQuote;
  }

  /** The day's candle: `o` is the price at 00:00 UTC, `c` the latest. */
  day(symbol: string): WireCandle | undefined {
    return this.#days.get(symbol);
  }

  /** Follows these symbols and no other; `taken` is followed by the chart itself, which passes its candles to `put`. */
  follow(symbols: readonly string[], taken: string | null): void {
    const wanted = new Set(symbols.slice(0, MAX_FOLLOWED).filter((symbol) => symbol !== taken));
    for (const symbol of this.#followed) {
      if (wanted.has(symbol)) continue;
      this.#followed.delete(symbol);
      if (symbol !== taken) this.#channels.unsubscribe(channelOf(symbol));
    }
    for (const symbol of wanted) {
      if (this.#followed.has(symbol)) continue;
      this.#followed.add(symbol);
      this.#channels.subscribe(channelOf(symbol), 1, {
        onCandles: (candles) => this.put(symbol, candles.at(-1)),
        onCandle: (candle) => this.put(symbol, candle),
      });
    }
  }

  /** Takes a daily candle unless a newer one is known. */
  put(symbol: string, candle: WireCandle | undefined): void {
    if (candle === undefined || candle.t < (this.#days.get(symbol)?.t ?? 0)) return;
    this.#days.set(symbol, candle);
    this.#onQuote(symbol);
  }
}

function channelOf(symbol: string): string {
  return `candles:${symbol}:1d`;
}
