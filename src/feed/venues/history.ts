import type { Clock } from '../../kit/clock.js';
import { UserError } from '../../kit/errors.js';
import type { Log } from '../../kit/log.js';
import { HOUR_MS } from '../../market/interval.js';
import type { Trade } from '../../market/trade.js';
import { FUTURE_TOLERANCE_MS, isFault, readTrade } from '../validate.js';
import { type ArchiveFile, readArchive } from './archive.js';
import { RateLimitedError, RefusedError, Rest } from './rest.js';
import { backoffMs, TIMINGS, type Timings } from './timings.js';
import type { RawTrade, Venue } from './venue.js';

/** A stretch of one symbol's past, by time: [from, to), epoch ms. */
export interface Stretch {
  readonly symbol: string;
  readonly native: string;
  readonly from: number;
  readonly to: number;
}

const ATTEMPTS = 8;
/** A venue's REST may be a moment behind. */
const AGAIN_MS = 2000;

/** Ids between two trades are missing where the source is. */
export class MissingTradesError extends UserError {
  override readonly name = 'MissingTradesError';
}

/**
 * The trades of a stretch in the order of their ids, each once, beginning with the last one before it (minutes without trades are flat
 * at its price) and ending with the first one after it. Rejects when the venue refuses, or fails too often in a row.
 */
export async function* restTrades(
  venue: Venue,
  base: string,
  stretch: Stretch,
  clock: Clock,
  log: Log,
  timings: Timings = TIMINGS,
): AsyncGenerator<Trade[]> {
  const rest = new Rest({ base, everyMs: venue.limits.requestEveryMs, timings, clock, log });
  const { native } = stretch;
  const again = <T>(ask: () => Promise<T>) => insist(ask, clock, log, timings);
  const first = await again(() => venue.seek(rest.get, native, stretch.from));
  if (first === null) return;
  let next = Math.max(0, first - 1);
  let afterMs = stretch.from - HOUR_MS;
  let believed = -1;
  for (;;) {
    const raw = await again(() => venue.page(rest.get, native, next, afterMs));
    if (raw.length === 0) return;
    const trades = toTrades(raw, stretch, clock);
    const whole = untilSkip(trades, next, believed);
    if (whole.length > 0) yield whole;
    const last = whole.at(-1);
    if (last !== undefined) {
      next = last.id + 1;
      afterMs = last.time;
      if (last.time >= stretch.to) return;
    }
    const skipTo = trades[whole.length]?.id;
    if (skipTo === undefined) continue;
    // The venue says it twice: then there are no such ids.
    believed = skipTo;
    await new Promise<void>((resolve) => clock.after(AGAIN_MS, resolve));
  }
}

function untilSkip(trades: readonly Trade[], next: number, believed: number): Trade[] {
  const whole: Trade[] = [];
  let expected = next;
  for (const trade of trades) {
    if (trade.id < expected) continue;
    if (trade.id > expected && trade.id !== believed && expected !== 0) break;
    whole.push(trade);
    expected = trade.id + 1;
  }
  return whole;
}

/** The same from published files. @throws MissingTradesError where ids are missing in or between them. */
export async function* archiveTrades(
  files: readonly ArchiveFile[],
  stretch: Stretch,
  clock: Clock,
): AsyncGenerator<Trade[]> {
  let before: Trade | null = null;
  for (const file of files) {
    for await (const raw of readArchive(file)) {
      const batch: Trade[] = [];
      for (const trade of toTrades(raw, stretch, clock)) {
        if (before !== null && trade.id <= before.id) continue;
        const starts: boolean = before === null || before.time < stretch.from;
        if (before !== null && trade.id !== before.id + 1 && trade.time >= stretch.from)
          throw new MissingTradesError(
            `the trades ${before.id + 1} to ${trade.id - 1} are missing before ${file.path}: add the file that has them, or leave --archive out for that time`,
          );
        if (trade.time >= stretch.from) {
          if (before !== null && starts) batch.push(before);
          batch.push(trade);
        }
        before = trade;
        if (trade.time >= stretch.to) {
          yield batch;
          return;
        }
      }
      if (batch.length > 0) yield batch;
    }
  }
}

function toTrades(raw: readonly RawTrade[], { symbol }: Stretch, clock: Clock): Trade[] {
  return raw.map(({ id, time, price, quantity, side }) => {
    const trade = readTrade(symbol, id, time, price, quantity, side, clock.now() + FUTURE_TOLERANCE_MS);
    if (isFault(trade)) throw new UserError(`a trade of ${symbol} is not valid: ${trade.message}`);
    return trade;
  });
}

async function insist<T>(ask: () => Promise<T>, clock: Clock, log: Log, timings: Timings): Promise<T> {
  for (let attempt = 0; ; ) {
    try {
      return await ask();
    } catch (error) {
      if (error instanceof RefusedError && error.status < 500) throw new UserError(error.message, { cause: error });
      if (error instanceof RateLimitedError) continue;
      if (attempt >= ATTEMPTS) throw error;
      log.warn({ err: error }, 'a request to the venue failed; it is made again');
      const pause = backoffMs(attempt++, Math.random(), timings);
      await new Promise<void>((resolve) => clock.after(pause, resolve));
    }
  }
}
