import type { Clock } from '../../kit/clock.js';
import type { Log } from '../../kit/log.js';
import type { Candle } from '../../market/candle.js';
import type { SymbolStatus } from '../../market/event.js';
import type { Interval } from '../../market/interval.js';
import type { DayStats } from '../../market/rolling-day.js';
import type { Trade } from '../../market/trade.js';
import type { CandleSource } from '../candles.js';
import type { Readers } from '../readers.js';

/** The latest candles of a channel as they are in memory. They change only where `version` does. */
export interface HotCandles {
  readonly version: number;
  /** Ascending, without holes but for gaps. */
  readonly closed: readonly Candle[];
  readonly open: Candle | null;
  /** There are no older ones. */
  readonly whole: boolean;
}

/** What sockets are served from. */
export interface HotSource {
  /** null: not in memory, or old. */
  hot(symbol: string, interval: Interval): HotCandles | null;
  /** The latest `count` closed candles, or all there are, and the open one; null: no such symbol. Rejects when it cannot be told now. */
  latest(symbol: string, interval: Interval, count: number): Promise<readonly Candle[] | null>;
  /** null: nothing is known of the symbol. Rejects when it cannot be told now. */
  day(symbol: string): Promise<DayStats | null>;
}

export interface RecentTrades {
  /** The latest that are kept, in the order in which they came. Rejects when they cannot be told now. */
  recent(symbol: string): Promise<readonly Trade[]>;
}

export interface BinanceSources {
  readonly market: CandleSource;
  readonly hot: HotSource;
  /** Every symbol that is fed or stored, by name. */
  symbols(): readonly SymbolStatus[];
  /** null: there are no single trades to be had. */
  readonly trades: RecentTrades | null;
  readonly readers: Readers;
  readonly clock: Clock;
  readonly log: Log;
  /** Request weight of an address a minute. */
  readonly weightLimit?: number;
}
