import type { Candle } from '../../../src/market/candle.js';
import type { Interval } from '../../../src/market/interval.js';
import type { ClosedCandles, ClosedEvent, GapEvent } from '../../../src/signals/rules/closed-candles.js';
import type { Series } from '../../../src/signals/rules/firings.js';

interface Channel {
  readonly candles: Map<number, Candle>;
  seq: number;
}

/** Closed candles in memory, with their history and a bus that may lose what it carries. */
export class RuleMarket {
  /** Whether an event is lost. */
  loses: () => boolean = () => false;
  readonly #channels = new Map<string, Channel>();
  readonly #listeners = new Set<(events: readonly (ClosedEvent | GapEvent)[]) => void>();

  /** Known without anybody having been told. */
  seed(candles: readonly Candle[]): void {
    for (const candle of candles) this.#put(candle);
  }

  /** Closes or corrects a candle. */
  close(candle: Candle): void {
    const prev = this.#channel(candle).seq;
    this.#put(candle);
    if (this.loses()) return;
    for (const listener of this.#listeners) listener([{ candle, prev }]);
  }

  newest({ symbol, interval }: { symbol: string; interval: Interval }): Candle | undefined {
    return this.list({ symbol, interval }).at(-1);
  }

  list(series: Series): Candle[] {
    return [...this.#channel(series).candles.values()].sort((a, b) => a.openTime - b.openTime);
  }

  /** As one process sees it; hears only what it follows. */
  view(): ClosedCandles {
    const followed = new Set<string>();
    return {
      follow: async (series) => void followed.add(keyOf(series)),
      unfollow: (series) => void followed.delete(keyOf(series)),
      onEvents: (listener) => {
        const own: typeof listener = (events) => {
          const heard = events.filter((event) => followed.has(keyOf('candle' in event ? event.candle : event)));
          if (heard.length > 0) listener(heard);
        };
        this.#listeners.add(own);
        return () => this.#listeners.delete(own);
      },
      positions: async (series) => series.map((one) => this.#channel(one).seq),
      before: async (series, beforeMs, limit) =>
        this.list(series)
          .filter(({ openTime }) => openTime < beforeMs)
          .slice(-limit),
      since: async (series, fromMs, limit) =>
        this.list(series)
          .filter(({ openTime }) => openTime >= fromMs)
          .slice(0, limit),
    };
  }

  #put(candle: Candle): void {
    const channel = this.#channel(candle);
    channel.candles.set(candle.openTime, candle);
    channel.seq = Math.max(channel.seq, candle.seq);
  }

  #channel(series: Series): Channel {
    const known = this.#channels.get(keyOf(series)) ?? { candles: new Map(), seq: 0 };
    this.#channels.set(keyOf(series), known);
    return known;
  }
}

function keyOf({ symbol, interval }: Series): string {
  return `${symbol} ${interval}`;
}
