import type { StoredState } from '../candles/book.js';
import type { FeedState } from '../market/event.js';
import { MINUTE_MS } from '../market/interval.js';
import type { Database } from '../store/timescale/database.js';
import { nextEpoch } from '../store/timescale/epochs.js';
import { loadState } from '../store/timescale/state.js';
import { listSymbols, registerStored, type StoredSymbol } from '../store/timescale/symbols.js';

/** A thousand symbols take seconds on a busy machine; more than this is a database that does not answer. */
const LOAD_DEADLINE_MS = 120_000;

/** All other feeds know their symbols, and register them before they begin. */
const OPEN_SOURCE = 'push';

export interface Restored {
  readonly epoch: number;
  readonly firstEpoch: number;
  readonly symbols: readonly StoredSymbol[];
  readonly states: ReadonlyMap<string, StoredState>;
}

/** What the database knows when a process starts. The spool is drained into it before. */
export async function loadRestored(database: Database): Promise<Restored> {
  return database.run(async (sql) => {
    const { epoch, first } = await nextEpoch(sql);
    await registerStored(sql, OPEN_SOURCE);
    const symbols = await listSymbols(sql);
    const states = await loadState(
      sql,
      symbols.map(({ symbol }) => symbol),
    );
    return { epoch, firstEpoch: first, symbols, states: new Map(states.map((state) => [state.symbol, state])) };
  }, LOAD_DEADLINE_MS);
}

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
export function storedStatus({ symbol, source, synthetic, lastTime }: StoredSymbol) {
  const state: FeedState = 'ended';
  return { symbol, source, synthetic, state, since: lastTime ?? 0, lastTradeTime: lastTime };
}
