import { fromScaled, toScaled } from '../kit/scaled.js';
import type { Candle } from './candle.js';
import { DAY_MS, MINUTE_MS } from './interval.js';

/** The last 24 hours of a symbol, to the minute; prices and volumes as in candles. */
export interface DayStats {
  readonly symbol: string;
  /** First ms of the oldest minute, and now or, of a market that stands still, the end of its newest. */
  readonly openTime: number;
  readonly closeTime: number;
  readonly open: string;
  readonly high: string;
  readonly low: string;
  readonly last: string;
  /** The price before the 24 hours. */
  readonly previousClose: string;
  readonly change: string;
  /** With three decimals. */
  readonly changePercent: string;
  readonly weightedAverage: string;
  readonly volume: string;
  readonly quoteVolume: string;
  readonly trades: number;
  /** −1 where nobody traded. */
  readonly firstTradeId: number;
  readonly lastTradeId: number;
}

const MINUTES = DAY_MS / MINUTE_MS;

/** What is kept of a closed minute. */
interface Minute {
  readonly openTime: number;
  readonly open: string;
  readonly close: string;
  readonly high: bigint;
  readonly low: bigint;
  readonly volume: bigint;
  readonly quoteVolume: bigint;
  readonly trades: number;
  readonly firstTradeId: number | null;
  readonly lastTradeId: number | null;
}

interface Totals {
  readonly high: bigint;
  readonly low: bigint;
  readonly volume: bigint;
  readonly quoteVolume: bigint;
  readonly trades: number;
  readonly firstTradeId: number;
  readonly lastTradeId: number;
}

/** The closed minutes of a day and the open one. Pure; what is asked for again and again between two closes is kept. */
export class RollingDay {
  #minutes: Minute[] = [];
  #open: Candle | null = null;
  #totals: Totals | null = null;
  #totalsFrom = 0;

  constructor(readonly symbol: string) {}

  /** A closed minute, new or corrected, or the open one. */
  put(candle: Candle): void {
    if (!candle.closed) {
      this.#open = candle;
      return;
    }
    if (this.#open !== null && this.#open.openTime <= candle.openTime) this.#open = null;
    const at = this.#place(candle.openTime);
    const isKnown = this.#minutes[at]?.openTime === candle.openTime;
    this.#minutes.splice(at, isKnown ? 1 : 0, minuteOf(candle));
    if (this.#minutes.length > MINUTES + 1) this.#minutes.shift();
    this.#totals = null;
  }

  /** null: there is nothing of it. */
  stats(nowMs: number): DayStats | null {
    const newest = this.#open ?? this.#minutes.at(-1);
    if (newest === undefined) return null;
    const from = newest.openTime - (MINUTES - 1) * MINUTE_MS;
    const first = this.#minutes[this.#place(from)];
    const totals = withOpen(this.#closedTotals(from), this.#open);
    const open = first?.open ?? this.#open?.open ?? newest.open;
    const before = this.#minutes[this.#place(from) - 1];
    const change = toScaled(newest.close) - toScaled(open);
    const { volume, quoteVolume } = totals;
    return {
      symbol: this.symbol,
      openTime: from,
      closeTime: Math.max(newest.openTime, Math.min(nowMs, newest.openTime + MINUTE_MS - 1)),
      open,
      high: fromScaled(totals.high, 8),
      low: fromScaled(totals.low, 8),
      last: newest.close,
      previousClose: before?.close ?? open,
      change: fromScaled(change, 8),
      changePercent: fromScaled(percent(change, toScaled(open)), 3),
      weightedAverage: fromScaled(volume === 0n ? 0n : quoteVolume / volume, 8),
      volume: fromScaled(volume, 8),
      quoteVolume: fromScaled(quoteVolume / 100_000_000n, 8),
      trades: totals.trades,
      firstTradeId: totals.firstTradeId,
      lastTradeId: totals.lastTradeId,
    };
  }

  #closedTotals(from: number): Totals {
    if (this.#totals !== null && this.#totalsFrom === from) return this.#totals;
    let totals = NOTHING;
    for (let i = this.#place(from); i < this.#minutes.length; i++) {
      const minute = this.#minutes[i];
      if (minute !== undefined) totals = add(totals, minute);
    }
    this.#totals = totals;
    this.#totalsFrom = from;
    return totals;
  }

  /** Index of the first minute at or after the time. */
  #place(openTime: number): number {
    let low = 0;
    let high = this.#minutes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#minutes[middle]?.openTime ?? 0) < openTime) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const NOTHING: Totals = {
  high: -1n,
  low: -1n,
  volume: 0n,
  quoteVolume: 0n,
  trades: 0,
  firstTradeId: -1,
  lastTradeId: -1,
};

function add(totals: Totals, minute: Minute): Totals {
  return {
    high: minute.high > totals.high ? minute.high : totals.high,
    low: totals.low < 0n || minute.low < totals.low ? minute.low : totals.low,
    volume: totals.volume + minute.volume,
    quoteVolume: totals.quoteVolume + minute.quoteVolume,
    trades: totals.trades + minute.trades,
    firstTradeId: totals.firstTradeId < 0 ? (minute.firstTradeId ?? -1) : totals.firstTradeId,
    lastTradeId: minute.lastTradeId ?? totals.lastTradeId,
  };
}

function withOpen(totals: Totals, open: Candle | null): Totals {
  return open === null ? totals : add(totals, minuteOf(open));
}

function minuteOf(candle: Candle): Minute {
  const { openTime, open, close, trades, firstTradeId, lastTradeId } = candle;
  return {
    openTime,
    open,
    close,
    high: toScaled(candle.high),
    low: toScaled(candle.low),
    volume: toScaled(candle.volume),
    quoteVolume: toScaled(candle.quoteVolume),
    trades,
    firstTradeId,
    lastTradeId,
  };
}

/** In thousandths of a percent, rounded half away from zero. */
function percent(change: bigint, open: bigint): bigint {
  if (open === 0n) return 0n;
  const twice = (change * 200_000n) / open;
  return (twice + (twice < 0n ? -1n : 1n)) / 2n;
}
