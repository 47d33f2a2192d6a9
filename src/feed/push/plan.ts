import { DAY_MS, MINUTE_MS } from '../../market/interval.js';
import type { Trade } from '../../market/trade.js';
import { floorMinute } from '../feed.js';
import type { PushGap, PushRecord } from './record.js';

/** A collector that posted nothing for this long is away: its symbols' clocks stand still. */
export const AWAY_AFTER_MS = 30_000;
/** Trades no older than this are pushed in real time: between them the wall clock is the symbol's clock. */
export const LIVE_WITHIN_MS = 60_000;
/** In pushed history a longer silence is announced as a gap instead of being filled with flat minutes. */
export const SILENCE_LIMIT_MS = DAY_MS;

/** What is known of one symbol. Immutable, so that a request that could not be stored leaves no trace. */
export interface SymbolView {
  readonly collector: string;
  /** Pushed in real time, not as history. */
  readonly live: boolean;
  /** Wall time up to which its collector is known to have been there. */
  readonly postedAt: number;
  /** Not seen since a restart. */
  readonly away: boolean;
  /** Newest event time and the id of that trade. */
  readonly newest: number;
  readonly newestId: number | null;
}

/** One request: its valid trades in (time, id) order. No trades = a heartbeat. */
export interface Batch {
  readonly at: number;
  readonly collector: string;
  readonly trades: readonly Trade[];
}

export type Views = Map<string, SymbolView>;
type Lookup = (symbol: string) => SymbolView | null;

/**
 * Decides which gaps a request reveals.
 * @returns the records to journal and deliver in order, and the views that hold once they are durable.
 */
export function planBatch(
  batch: Batch,
  lookup: Lookup,
  others: Iterable<string>,
): { records: PushRecord[]; views: Views } {
  const live = liveSymbols(batch);
  const views: Views = new Map();
  const records: { gaps: PushGap[]; trades: Trade[] }[] = [{ gaps: [], trades: [] }];
  for (const trade of batch.trades) {
    const before = views.get(trade.symbol) ?? lookup(trade.symbol);
    const isLive = live.has(trade.symbol);
    const gap = before === null ? null : gapBefore(trade, before, isLive, batch.at);
    if (gap !== null) records.push({ gaps: [gap], trades: [] });
    records.at(-1)?.trades.push(trade);
    views.set(trade.symbol, afterTrade(trade, before, batch, isLive));
  }
  if (batch.trades.length === 0 || live.size > 0) beat(batch, lookup, others, views, records);
  const full = records.filter((record) => record.gaps.length + record.trades.length > 0);
  return {
    records: full.map((record) => ({ at: batch.at, collector: batch.collector, live: [...live], ...record })),
    views,
  };
}

/** A collector that is there vouches for all its live symbols: they are quiet, not away. */
function beat(
  batch: Batch,
  lookup: Lookup,
  others: Iterable<string>,
  views: Views,
  records: { gaps: PushGap[]; trades: Trade[] }[],
): void {
  for (const symbol of others) {
    const view = views.has(symbol) ? null : lookup(symbol);
    if (view === null || !view.live || view.collector !== batch.collector) continue;
    if (isAway(view, batch.at)) records.push({ gaps: [absence(symbol, view, batch.at)], trades: [] });
    views.set(symbol, { ...view, postedAt: batch.at, away: false });
  }
}

function liveSymbols(batch: Batch): Set<string> {
  const fresh = batch.trades.filter((trade) => trade.time >= batch.at - LIVE_WITHIN_MS);
  return new Set(fresh.map((trade) => trade.symbol));
}

function gapBefore(trade: Trade, view: SymbolView, isLive: boolean, at: number): PushGap | null {
  if (trade.time <= view.newest || trade.id - 1 === view.newestId) return null;
  if (isAway(view, at) && (view.live || isLive)) {
    const gap = absence(trade.symbol, view, trade.time);
    return gap.from < gap.to ? gap : null;
  }
  if (trade.time - view.newest <= SILENCE_LIMIT_MS) return null;
  const from = floorMinute(view.newest) + MINUTE_MS;
  return {
    symbol: trade.symbol,
    from,
    to: floorMinute(trade.time),
    reason: 'no trades were pushed for more than a day',
  };
}

function absence(symbol: string, view: SymbolView, to: number): PushGap {
  const from = view.live ? Math.max(view.newest, view.postedAt) : view.newest;
  return { symbol, from, to, reason: 'the collector was away' };
}

export function isAway(view: SymbolView, at: number): boolean {
  return view.away || at - view.postedAt > AWAY_AFTER_MS;
}

function afterTrade(trade: Trade, before: SymbolView | null, batch: Batch, live: boolean): SymbolView {
  const isNewest = before === null || trade.time >= before.newest;
  return {
    collector: batch.collector,
    live,
    postedAt: batch.at,
    away: false,
    newest: isNewest ? trade.time : before.newest,
    newestId: isNewest ? trade.id : before.newestId,
  };
}
