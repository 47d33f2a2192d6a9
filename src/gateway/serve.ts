import type { Recovery } from '../wire/frames.js';
import { answer, type Need, nothingStored, type Stored, type Wanted } from './answer.js';
import type { CandleChannel } from './candle-channel.js';
import { HistoryUnavailable } from './history.js';
import { pause } from './pause.js';
import type { Published } from './published.js';

/** How often, and with which pauses, the store is asked again when it has not caught up with what memory forgot. */
const BEHIND_READS = 5;
const BEHIND_PAUSE_MS = 500;

/**
 * Calls `deliver` once, in a turn in which the answer holds and live follows it without a seam.
 * Everything in memory: in this very turn.
 * Rejects with UnknownSymbol, with HistoryUnavailable, or with what kept the window from loading.
 */
export async function serve(
  channel: CandleChannel,
  wanted: Wanted,
  deliver: (live: Published, recovery: Recovery) => void,
): Promise<void> {
  const stored = nothingStored();
  const reads: Record<Need, number> = { older: 0, missed: 0, firstEpoch: 0, ahead: 0 };
  const started = channel.deps.clock.now();
  for (;;) {
    const live = channel.live ?? (await firstLive(channel));
    if (live === null) continue;
    const result = answer(live, wanted, stored, channel.deps.resumeCandles);
    if (typeof result !== 'string') return deliver(live, result);
    reads[result]++;
    if (result === 'ahead') await catchUp(channel, stored, started);
    else if (reads[result] > BEHIND_READS) giveUp(result, stored);
    else await read(channel, result, wanted, stored, reads[result]);
  }
}

/** null: it went away again before we got to run. */
async function firstLive(channel: CandleChannel): Promise<Published | null> {
  // Says why where it never went live: it may have been let go of for that very reason.
  await channel.whenLive();
  if (channel.gone) throw new HistoryUnavailable('the channel was let go of');
  return channel.live;
}

async function read(
  channel: CandleChannel,
  need: Need,
  wanted: Wanted,
  stored: Stored,
  attempt: number,
): Promise<void> {
  if (attempt > 2) await pause(channel.deps.clock, BEHIND_PAUSE_MS);
  if (channel.live === null) return;
  await channel.stored.read(need, wanted, stored, channel.live, attempt > 1);
  await channel.deps.turns.next();
}

/** The client has seen more than this node: what it has seen may come yet. It is lost only where the bus says that there is no more. */
async function catchUp(channel: CandleChannel, stored: Stored, started: number): Promise<void> {
  const { clock, catchUpMs } = channel.deps;
  const isAll = await channel.catchUp();
  if (clock.now() - started < catchUpMs) return;
  if (!isAll) throw new HistoryUnavailable('this node has not caught up yet');
  stored.ahead = 'lost';
}

function giveUp(need: Need, stored: Stored): void {
  if (need !== 'missed') throw new HistoryUnavailable('the database has not caught up yet');
  stored.missed = 'lost';
}
