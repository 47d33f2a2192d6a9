import type { Position } from '../market/position.js';
import { answer, type Need, nothingStored, type Stored, type Wanted } from './answer.js';
import type { CandleChannel } from './candle-channel.js';
import { HistoryUnavailable, isHistoryUnavailable } from './history.js';
import { backoff } from './pause.js';
import type { Published } from './published.js';

/** Reads of a store that is behind, before it is taken for one that is away. */
const STORE_ATTEMPTS = 3;
/** A bus that has lost its memory is filled again by the writer. One that does not come up to what it once said by then means it. */
const BEHIND_MS = 30_000;
/** After so many attempts, about a second, the subscribers are told that what they have is old. */
const STALE_ATTEMPTS = 5;

/** Until nothing is missing any more, or the bus goes away. `old`: where the subscribers stand. */
export async function heal(channel: CandleChannel, old: Published): Promise<void> {
  const { bus, clock, loads, random, log } = channel.deps;
  const started = clock.now();
  for (let attempt = 0; bus.up && !channel.gone; attempt++) {
    try {
      const mayGoBack = clock.now() - started >= BEHIND_MS;
      if (await loads.run(() => recover(channel, old, mayGoBack))) return;
    } catch (error) {
      const { symbol, interval } = channel;
      log.debug({ symbol, interval, attempt, error }, 'the window does not load');
    }
    if (attempt + 1 === STALE_ATTEMPTS) channel.beStale();
    await backoff(clock, attempt, random);
  }
  if (!channel.gone) channel.giveUp();
}

/** Sends all subscribers what they missed, as one `resync`, and goes on in the same turn. @returns whether that was possible. */
async function recover(channel: CandleChannel, old: Published, mayGoBack: boolean): Promise<boolean> {
  const { epoch, seq } = old;
  const wanted = { snapshot: null, atOnce: false, position: { epoch, seq }, bound: null };
  const stored: Stored = { ...nothingStored(), ahead: 'lost' };
  for (let attempt = 1; ; attempt++) {
    const next = await channel.loadWindow();
    if (next === null || channel.gone) return false;
    if (isBehind(next, old) && (next.epoch < epoch || !mayGoBack)) return false;
    if (next.seq === seq) return goOn(channel, old, next);
    const result = answer(next, wanted, stored, channel.deps.resumeCandles);
    if (typeof result !== 'string') {
      channel.deps.outlet.stats.heals++;
      channel.topics.resync(next, result, seq);
      channel.goLive(next);
      return true;
    }
    await read(channel, result, wanted, stored, next, attempt);
  }
}

function isBehind(next: Position, old: Position): boolean {
  return next.epoch < old.epoch || next.seq < old.seq;
}

/** Nothing durable is missing. */
function goOn(channel: CandleChannel, old: Published, next: Published): boolean {
  old.adopt(next.epoch);
  channel.goOn();
  if (channel.deps.bus.up) channel.beFresh();
  return true;
}

/** Live does not wait for a store that is away or behind: what cannot be read is `recovered: false`. */
async function read(
  channel: CandleChannel,
  need: Need,
  wanted: Wanted,
  stored: Stored,
  next: Published,
  attempt: number,
): Promise<void> {
  try {
    if (attempt > STORE_ATTEMPTS) throw new HistoryUnavailable('the store is behind');
    await channel.stored.read(need, wanted, stored, next, attempt > 1);
  } catch (error) {
    if (!isHistoryUnavailable(error)) throw error;
    stored.missed = 'lost';
    stored.firstEpoch ??= Number.POSITIVE_INFINITY;
  }
}
