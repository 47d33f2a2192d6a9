import type { DailyRow } from './database.js';

/** A stretch of time, epoch ms, `to` exclusive. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** A complete day as the store has it; decimals as text. */
export type SourceDay = readonly [
  symbol: string,
  openTime: number,
  open: string,
  high: string,
  low: string,
  close: string,
  volume: string,
  quoteVolume: string,
  trades: number,
];

export interface SourcePage {
  readonly days: readonly SourceDay[];
  /** When the store read them, in µs since the Unix epoch. */
  readonly readAt: number;
}

export interface ChangedDay {
  readonly day: number;
  readonly changes: number;
}

export interface Hole extends Stretch {
  readonly symbol: string;
  readonly reason: string;
}

/** Where days are copied from. Every call is short: the live path shares the store. */
export interface DaySource {
  /** Known symbols by name, the first `limit` after `after`. */
  symbols(after: string, limit: number): Promise<string[]>;
  /** Open times of the oldest and the newest day; null where there is none. */
  span(symbol: string): Promise<{ readonly first: number; readonly last: number } | null>;
  /** The first `limit` complete days in [fromMs, toMs), by symbol and time. */
  days(symbols: readonly string[], fromMs: number, toMs: number, limit: number): Promise<SourcePage>;
  /** Days before `beforeMs` in which minutes changed since they were settled, the latest `limit` of them. */
  changed(beforeMs: number, limit: number): Promise<ChangedDay[]>;
  settle(day: ChangedDay): Promise<void>;
}

/** Names of the aggregates and of the columns that are compared, as in the store. */
export type Values = Readonly<Record<string, string>>;

export interface AggregateDifference {
  readonly relation: string;
  readonly openTime: number;
  readonly expected: Values | null;
  readonly found: Values | null;
}

/** The aggregates between the minutes and the days. */
export interface Aggregates {
  /** `short`: 5m, 1h and 1d against the minutes; `weeks` and `months`: 1w and 1M against the days. Of whole buckets. */
  compare(
    which: 'short' | 'weeks' | 'months',
    symbol: string,
    fromMs: number,
    toMs: number,
  ): Promise<readonly AggregateDifference[]>;
  /** Computes a stretch again, of all symbols. */
  refresh(fromMs: number, toMs: number): Promise<void>;
}

const DATE_CHARS = 10;

export function dateOf(openTime: number): string {
  return new Date(openTime).toISOString().slice(0, DATE_CHARS);
}

export function toRow(day: SourceDay, version: number): DailyRow {
  const [symbol, openTime, open, high, low, close, volume, quoteVolume, trades] = day;
  return {
    symbol,
    date: dateOf(openTime),
    open: Number(open),
    high: Number(high),
    low: Number(low),
    close: Number(close),
    volume: Number(volume),
    quoteVolume: Number(quoteVolume),
    trades,
    version,
  };
}
