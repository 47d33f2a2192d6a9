import type { Interval } from '../market/interval.js';
import type { ErrorCode } from '../wire/codes.js';
import type { WireCandle, WireGap } from '../wire/messages.js';
import { Bars } from './bars.js';
import type { Channels } from './channels.js';
import type { ChartView } from './chart.js';
import { pricePrecision } from './format.js';
import { History, type HistoryState } from './history.js';

/** At most; there are fewer where memory holds fewer, so that the chart never waits for the database. Older ones are paged in. */
const SNAPSHOT_CANDLES = 500;

/** What can be said of the market on screen. */
export type MarketState =
  | { readonly kind: 'loading' }
  | { readonly kind: 'empty' }
  | { readonly kind: 'ready' }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly message: string; readonly retrying: boolean };

export interface MarketEvents {
  /** Bars or state changed. */
  onChange(): void;
  onGap(gap: WireGap): void;
  onHistory(state: HistoryState, detail: string): void;
}

/** One (symbol, interval) on screen: history and live over one channel, older pages over REST, drawn on the chart. */
export class Market {
  readonly symbol: string;
  readonly interval: Interval;
  readonly channel: string;
  readonly bars: Bars;
  state: MarketState = { kind: 'loading' };
  precision = 2;
  readonly #channels: Channels;
  readonly #chart: ChartView;
  readonly #events: MarketEvents;
  #history: History;

  constructor(symbol: string, interval: Interval, channels: Channels, chart: ChartView, events: MarketEvents) {
    this.symbol = symbol;
    this.interval = interval;
    this.channel = `candles:${symbol}:${interval}`;
    this.bars = new Bars(interval);
    this.#channels = channels;
    this.#chart = chart;
    this.#events = events;
    this.#history = this.#newHistory();
  }

  open(): void {
    this.#channels.subscribe(this.channel, SNAPSHOT_CANDLES, {
      onCandles: (candles, gaps, fresh) => this.#candles(candles, gaps, fresh),
      onCandle: (candle) => this.#candle(candle),
      onGap: (gap) => this.#gap(gap),
      onError: (code, message, retrying) => this.#setState({ kind: 'refused', code, message, retrying }),
    });
  }

  close(): void {
    this.#history.cancel();
    this.#channels.unsubscribe(this.channel);
  }

  retry(): void {
    this.#channels.retry(this.channel);
  }

  loadOlder(): void {
    this.#history.more();
  }

  retryOlder(): void {
    this.#history.retry();
  }

  #candles(candles: readonly WireCandle[], gaps: readonly WireGap[], fresh: boolean): void {
    if (fresh) {
      this.#history.cancel();
      this.#history = this.#newHistory();
      this.bars.replace(candles, gaps);
      this.precision = precisionOf(candles);
      this.#chart.show(this.bars, this.precision);
    } else {
      this.bars.merge(candles, gaps);
      this.#raisePrecision(candles);
      this.#chart.refresh();
    }
    this.#setState({ kind: this.bars.last === undefined ? 'empty' : 'ready' });
  }

  #candle(candle: WireCandle): void {
    const change = this.bars.upsert(candle);
    this.#raisePrecision([candle]);
    this.#chart.update(change, this.bars.at(candle.t)?.candle ?? candle);
    this.#setState({ kind: 'ready' });
  }

  #gap(gap: WireGap): void {
    this.bars.addGap(gap);
    this.#chart.refresh();
    this.#events.onGap(gap);
  }

  #raisePrecision(candles: readonly WireCandle[]): void {
    const precision = precisionOf(candles);
    if (precision <= this.precision) return;
    this.precision = precision;
    this.#chart.setPrecision(precision);
  }

  #newHistory(): History {
    return new History(this.symbol, this.bars, (state, detail) => {
      if (state === 'idle') this.#chart.refresh();
      this.#events.onHistory(state, detail);
    });
  }

  #setState(state: MarketState): void {
    this.state = state;
    this.#events.onChange();
  }
}

function precisionOf(candles: readonly WireCandle[]): number {
  return pricePrecision(candles.flatMap((candle) => [candle.o, candle.h, candle.l, candle.c]));
}
