import type { StoredState } from '../candles/book.js';
import type { FeedState, SymbolStatus } from '../market/event.js';
import { MINUTE_MS } from '../market/interval.js';
import type { StoredSymbol } from '../store/timescale/symbols.js';

/** Where a feed takes up a symbol. */
export function resumePoint(state: StoredState | undefined): {
  lastOpenTime: number | null;
  lastClosedEnd: number | null;
} {
  const last = state?.minutes.at(-1);
  if (last === undefined) return { lastOpenTime: null, lastClosedEnd: null };
  return { lastOpenTime: last.openTime, lastClosedEnd: last.openTime + MINUTE_MS };
}

/** A stored symbol that no feed has brought since the start. */
export function storedStatus({ symbol, source, synthetic, lastTime }: StoredSymbol): SymbolStatus {
  const state: FeedState = 'ended';
  return { symbol, source, synthetic, state, since: lastTime ?? 0, lastTradeTime: lastTime };
}
