import type { Candle } from '../../market/candle.js';
import type { Interval } from '../../market/interval.js';
import type { Series } from './firings.js';

/** A candle that closed or was corrected; `prev` is the seq of the close or correction or gap before it on its channel. */
export interface ClosedEvent {
  readonly candle: Candle;
  readonly prev: number;
}

/** Closed candles, as the runner needs them. Times are epoch ms; lists ascend and hold closed candles only, as they are now. */
export interface ClosedCandles {
  /** Events of the series arrive from when it resolves until `unfollow`; some may be lost. Rejects while the bus is away. */
  follow(series: Series): Promise<void>;
  unfollow(series: Series): void;
  /** A gap is an event without a candle: it only moves the channel on. @returns a function that removes the listener. */
  onEvents(listener: (events: readonly (ClosedEvent | GapEvent)[]) => void): () => void;
  /** seq of the newest event of each channel, in the order asked; null = not known. Rejects while the bus is away. */
  positions(series: readonly Series[]): Promise<readonly (number | null)[]>;
  /** The latest `limit` that opened before a time. Rejects when they cannot be read now. */
  before(series: Series, beforeMs: number, limit: number): Promise<readonly Candle[]>;
  /** The first `limit` that opened at a time or later. Holds all that had been told of when it was called. Rejects when they cannot be read now. */
  since(series: Series, fromMs: number, limit: number): Promise<readonly Candle[]>;
}

export interface GapEvent {
  readonly symbol: string;
  readonly interval: Interval;
  readonly seq: number;
  readonly prev: number;
}
