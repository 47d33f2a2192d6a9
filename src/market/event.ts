import type { Candle, Gap } from './candle.js';
import type { Interval } from './interval.js';

interface EventOf {
  readonly symbol: string;
  readonly interval: Interval;
  /** Of the writer that made it. */
  readonly epoch: number;
  readonly seq: number;
  /** The event as the JSON message of channel `candles:{symbol}:{interval}`, where it came encoded already. */
  readonly frame?: string;
}

/**
 * What the ingest side publishes for one (symbol, interval).
 * `update`: the open candle as it stands; `seq` is that of the last durable event it follows.
 * `closed`: a candle closed (revision 0) or was corrected (it closed before); durable; `prev` is the seq of the durable
 * event before it on this (symbol, interval), so that a receiver notices a hole.
 * `gap`: trades are missing in a stretch of time; durable; comes before any candle after the stretch.
 */
export type MarketEvent =
  | (EventOf & { readonly kind: 'update'; readonly candle: Candle })
  | (EventOf & { readonly kind: 'closed'; readonly prev: number; readonly candle: Candle })
  | (EventOf & { readonly kind: 'gap'; readonly prev: number; readonly gap: Gap });

/** The published state of one (symbol, interval): the latest closed candles (ascending, without holes but for gaps), the open one, gaps among them. */
export interface HotWindow {
  readonly epoch: number;
  /** seq of the last durable event. */
  readonly seq: number;
  readonly closed: readonly Candle[];
  readonly open: Candle | null;
  readonly gaps: readonly Gap[];
}

/**
 * `backfilling`: trades that were missed are being fetched; no minute closes meanwhile. `gap`: trades are missing for good, which was
 * announced; it ends with the minute that the gap ends in. `stale`: no trades where there should be.
 */
export const FEED_STATES = ['starting', 'live', 'stale', 'gap', 'backfilling', 'ended'] as const;
export type FeedState = (typeof FEED_STATES)[number];

/** Health of one symbol's feed; `since` is when it entered the state, `lastTradeTime` the newest event time seen (epoch ms). */
export interface SymbolStatus {
  readonly symbol: string;
  readonly source: string;
  readonly synthetic: boolean;
  readonly state: FeedState;
  readonly since: number;
  readonly lastTradeTime: number | null;
}
