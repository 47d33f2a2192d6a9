import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { Service } from '../kit/service.js';
import { REVISION_HORIZON_MS } from '../market/candle.js';
import type { SymbolStatus } from '../market/event.js';
import { MINUTE_MS } from '../market/interval.js';
import type { Trade } from '../market/trade.js';

/** What became of a trade: folded; seen before; folded into a closed minute; past the revision horizon; past DECIMAL(20,8). */
export type TradeOutcome = 'applied' | 'duplicate' | 'corrected' | 'too_late' | 'overflow';

/** Where feeds deliver. Calls for one symbol come in the order in which they are to be folded. */
export interface TradeSink {
  trade(trade: Trade): TradeOutcome;
  /** The symbol's clock has reached `timeMs`: minutes whose end plus grace has passed may close, with or without trades. */
  advance(symbol: string, timeMs: number): void;
  /**
   * Nothing was seen of the symbol in [fromMs, toMs): nothing is invented there, the gap is announced. Called before the
   * first trade after it. `fromMs` may lie before the symbol's clock (a collector is missed only after a while).
   * After a restart a gap behind the point of re-delivery is delivered again with the same bounds.
   */
  gap(symbol: string, fromMs: number, toMs: number, reason: string): void;
  /** Resolves at once normally; waits while durable storage is behind: feeds that can wait do. */
  ready(): Promise<void>;
  status(status: SymbolStatus): void;
}

/** What is stored already for a symbol: open time and end of the newest closed minute (epoch ms), null where nothing is. */
export interface ResumePoint {
  readonly lastOpenTime: number | null;
  readonly lastClosedEnd: number | null;
}

export const NOTHING_STORED: ResumePoint = { lastOpenTime: null, lastClosedEnd: null };

export interface PassedOver {
  readonly duplicate: number;
  readonly not_wanted: number;
}

/** A source of trades. Order of calls: `catchUp`, `start`, `stop`. */
export interface Feed extends Service {
  readonly source: string;
  readonly synthetic: boolean;
  /** The symbols it owns; push grows as trades arrive. */
  readonly symbols: readonly string[];
  /** Trades that were not folded, by reason; for a feed that checks what it gets. */
  readonly quarantine?: { readonly counts: ReadonlyMap<string, number> };
  /** Trades that did not reach the sink: delivered before, or of a time before the one where the feed began. */
  readonly passedOver?: PassedOver;
  /** Delivers history that must be in before live data; reports 0..1; resolves when caught up. */
  catchUp(progress: (done: number) => void): Promise<void>;
}

/** What every feed is given. */
export interface FeedContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly sink: TradeSink;
  /** Lateness grace of the close, ms. */
  readonly graceMs: number;
  /** Existing, writable directory for what a feed must keep. */
  readonly dataDir: string;
  resume(symbol: string): ResumePoint;
}

/** After a restart every trade from here on is delivered again, and none before it; -Infinity when nothing is stored. */
export function redeliverFrom(resume: ResumePoint): number {
  if (resume.lastOpenTime === null) return Number.NEGATIVE_INFINITY;
  return floorMinute(resume.lastOpenTime - REVISION_HORIZON_MS);
}

export function floorMinute(timeMs: number): number {
  return Math.floor(timeMs / MINUTE_MS) * MINUTE_MS;
}
