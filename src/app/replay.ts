import type { ReplaySource } from '../gateway/replay/source.js';
import { Database } from '../store/timescale/database.js';
import { CandleHistory } from '../store/timescale/history.js';
import { ReplayReader } from '../store/timescale/replay.js';
import { type Around, toStop } from './around.js';

/** All replays share it: whoever waits for a page waits here, and the database works for one of them at a time. */
const CONNECTIONS = 1;
const DEADLINE_MS = 5_000;

/** What replays are read from: a connection of their own. */
export async function openReplays({ clock, lifecycle }: Around, url: string): Promise<ReplaySource> {
  const database = new Database({ url, clock, max: CONNECTIONS, deadlineMs: DEADLINE_MS });
  await lifecycle.start(toStop('replay readers', () => database.close()));
  return replaySource(database);
}

export function replaySource(database: Database): ReplaySource {
  const reader = new ReplayReader(database);
  const history = new CandleHistory(database);
  return {
    extent: (symbol, beforeMs) => reader.extent(symbol, beforeMs),
    bars: (symbol, interval, fromMs, toMs, limit) => reader.bars(symbol, interval, fromMs, toMs, limit),
    gapsAfter: (symbol, afterMs, afterSeq, limit) => reader.gapsAfter(symbol, afterMs, afterSeq, limit),
    gaps: (symbol, fromMs, toMs) => history.gaps(symbol, fromMs, toMs),
    before: (symbol, interval, beforeMs, limit) => history.before(symbol, interval, beforeMs, limit),
  };
}
