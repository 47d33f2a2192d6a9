import {
  type FeedContext,
  NOTHING_STORED,
  type ResumePoint,
  type TradeOutcome,
  type TradeSink,
} from '../../src/feed/feed.js';
import type { Clock } from '../../src/kit/clock.js';
import { formatDecimal } from '../../src/kit/decimal.js';
import type { Log } from '../../src/kit/log.js';
import type { SymbolStatus } from '../../src/market/event.js';
import { HOUR_MS } from '../../src/market/interval.js';
import type { Trade } from '../../src/market/trade.js';

export type Call =
  | { readonly call: 'trade'; readonly trade: Trade }
  | { readonly call: 'advance'; readonly symbol: string; readonly time: number }
  | { readonly call: 'gap'; readonly symbol: string; readonly from: number; readonly to: number };

/** A sink that keeps what it is told, and knows duplicates and trades that are too late. */
export class Recorder implements TradeSink {
  readonly calls: Call[] = [];
  readonly statuses: SymbolStatus[] = [];
  readonly clocks = new Map<string, number>();
  readonly #ids = new Set<string>();
  gate: Promise<void> = Promise.resolve();

  get trades(): Trade[] {
    return this.calls.flatMap((call) => (call.call === 'trade' ? [call.trade] : []));
  }

  get gaps() {
    return this.calls.flatMap((call) =>
      call.call === 'gap' ? [{ symbol: call.symbol, from: call.from, to: call.to }] : [],
    );
  }

  tradesOf(symbol: string): Trade[] {
    return this.trades.filter((trade) => trade.symbol === symbol);
  }

  stateOf(symbol: string): string | undefined {
    return this.statuses.findLast((status) => status.symbol === symbol)?.state;
  }

  trade(trade: Trade): TradeOutcome {
    this.calls.push({ call: 'trade', trade });
    const id = `${trade.symbol} ${trade.id}`;
    if (this.#ids.has(id)) return 'duplicate';
    if (trade.time < (this.clocks.get(trade.symbol) ?? 0) - HOUR_MS) return 'too_late';
    this.#ids.add(id);
    return 'applied';
  }

  advance(symbol: string, time: number): void {
    this.calls.push({ call: 'advance', symbol, time });
    this.clocks.set(symbol, Math.max(time, this.clocks.get(symbol) ?? 0));
  }

  gap(symbol: string, from: number, to: number): void {
    this.calls.push({ call: 'gap', symbol, from, to });
  }

  ready(): Promise<void> {
    return this.gate;
  }

  status(status: SymbolStatus): void {
    this.statuses.push(status);
  }
}

/** A log that keeps its lines. */
export class LogLines implements Log {
  readonly lines: { level: string; message: string; fields: object }[] = [];

  debug = (fields: object, message: string) => this.#add('debug', fields, message);
  info = (fields: object, message: string) => this.#add('info', fields, message);
  warn = (fields: object, message: string) => this.#add('warn', fields, message);
  error = (fields: object, message: string) => this.#add('error', fields, message);

  #add(level: string, fields: object, message: string): void {
    this.lines.push({ level, message, fields });
  }
}

export interface Bench extends FeedContext {
  readonly sink: Recorder;
  readonly log: LogLines;
}

export function bench(clock: Clock, dataDir = '', stored: Record<string, ResumePoint> = {}): Bench {
  return {
    clock,
    log: new LogLines(),
    sink: new Recorder(),
    graceMs: 2000,
    dataDir,
    resume: (symbol) => stored[symbol] ?? NOTHING_STORED,
  };
}

/** What is stored once the minute that opens at `openTime` has closed. */
export function storedUpTo(openTime: number): ResumePoint {
  return { lastOpenTime: openTime, lastClosedEnd: openTime + 60_000 };
}

/** A trade as a line of a trade file. */
export function csvLine(t: Trade): string {
  const price = formatDecimal(t.priceWhole, t.priceFraction);
  return `${t.id},${t.time},${price},${formatDecimal(t.quantityWhole, t.quantityFraction)},${t.takerSide}`;
}
