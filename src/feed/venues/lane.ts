import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Trade } from '../../market/trade.js';
import { type FeedContext, floorMinute } from '../feed.js';
import { SymbolHealth } from '../health.js';
import type { Quarantine } from '../quarantine.js';
import { FUTURE_TOLERANCE_MS, isFault, readTrade } from '../validate.js';
import type { Line } from './line.js';
import { RateLimitedError, RefusedError, type Rest } from './rest.js';
import { backoffMs, type Timings } from './timings.js';
import { type Need, Track } from './track.js';
import type { Beat, RawTrade, Venue } from './venue.js';

export interface LaneOptions {
  readonly venue: Venue;
  readonly native: string;
  readonly symbol: string;
  readonly rest: Rest;
  readonly line: Line;
  readonly context: FeedContext;
  readonly quarantine: Quarantine;
  readonly timings: Timings;
  readonly random: () => number;
  /** An absence longer than this is a gap. */
  readonly backfillMs: number;
}

/** One symbol: its track, and what asks REST for what the track needs. */
export class Lane {
  readonly symbol: string;
  readonly #options: LaneOptions;
  readonly #track: Track;
  readonly #health: SymbolHealth;
  #working = false;
  #fetching = false;
  #attempt = 0;
  #retryAt = Number.NEGATIVE_INFINITY;
  #stopped = false;
  /** Who does not take the symbol. */
  #refusedBy: 'stream' | 'rest' | null = null;
  /** Of the newest trade that the stream brought. */
  #streamedTime = Number.NEGATIVE_INFINITY;

  constructor(options: LaneOptions) {
    const { symbol, venue, context, quarantine, timings } = options;
    this.#options = options;
    this.symbol = symbol;
    this.#track = new Track({
      symbol,
      sink: context.sink,
      graceMs: context.graceMs,
      timings,
      storedEnd: context.resume(symbol).lastClosedEnd,
      refused: (reason, trade) =>
        quarantine.add(reason, REFUSALS[reason] ?? reason, { symbol, tradeId: trade.id }, context.clock.now()),
    });
    this.#health = new SymbolHealth(symbol, venue.name, false, context.sink, context.clock);
  }

  get track(): Pick<Track, 'duplicates' | 'notWanted' | 'gaps' | 'backfilled' | 'proved' | 'next'> {
    return this.#track;
  }

  /** Nothing is missing between what is stored and what streams in, or nothing is to come. */
  get isWhole(): boolean {
    return this.#refusedBy !== null || (this.#track.next !== null && !this.#track.hasHole);
  }

  get isWorking(): boolean {
    return this.#working;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** The venue does not stream this symbol. */
  refuse(reason: string): void {
    this.#refuse('stream', { reason });
  }

  offer(raw: RawTrade): void {
    const trade = this.#read(raw);
    if (trade === null) return;
    this.#refusedBy = null;
    this.#track.offer(trade, this.#now);
    if (trade.time > this.#streamedTime) this.#streamedTime = trade.time;
    this.#health.seen(trade.time);
  }

  beat(beat: Beat): void {
    this.#refusedBy = null;
    if (beat.untilMs <= this.#venueNow + FUTURE_TOLERANCE_MS) this.#track.beat(beat, this.#now);
  }

  /** Looks what is to be done; a timer calls it. */
  tick(): void {
    const { liveSince } = this.#options.line;
    const now = this.#now;
    const need = this.#track.needs(now, this.#venueNow);
    if (need !== null && liveSince !== null) this.#track.giveUp(now, this.#venueNow, liveSince);
    if (need !== null && !this.#working && now >= this.#retryAt) {
      this.#working = true;
      void this.#work(need).finally(() => {
        this.#working = false;
      });
    }
    this.#showHealth(liveSince);
  }

  get #now(): number {
    return this.#options.context.clock.now();
  }

  /** The venue's clock, as far as it is known. */
  get #venueNow(): number {
    return this.#now - this.#options.rest.skewMs;
  }

  #read(raw: RawTrade): Trade | null {
    const { quarantine, native } = this.#options;
    const latest = this.#venueNow + FUTURE_TOLERANCE_MS;
    const trade = readTrade(this.symbol, raw.id, raw.time, raw.price, raw.quantity, raw.side, latest);
    if (!isFault(trade)) return trade;
    quarantine.add(trade.reason, trade.message, { symbol: native, tradeId: raw.id }, this.#now);
    return null;
  }

  async #work(first: Need): Promise<void> {
    try {
      for (let need: Need | null = first; need !== null && !this.#stopped; ) {
        this.#fetching = need !== 'probe';
        if (!(await this.#meet(need))) return this.#later(null);
        this.#attempt = 0;
        if (this.#refusedBy === 'rest') this.#refusedBy = null;
        need = this.#track.needs(this.#now, this.#venueNow);
      }
      this.#fetching = false;
    } catch (error) {
      this.#later(error);
    }
  }

  #later(error: unknown): void {
    const { timings, random, context, venue, native } = this.#options;
    const pause = backoffMs(this.#attempt++, random(), timings);
    this.#retryAt = error instanceof RateLimitedError ? error.untilMs : this.#now + pause;
    if (error === null || this.#stopped) return;
    const isUnknown = error instanceof RefusedError && (error.status === 400 || error.status === 404);
    if (isUnknown && this.#track.next === null) this.#refuse('rest', { err: error });
    else
      context.log.warn(
        { err: error, venue: venue.name, symbol: native },
        'a request to the venue failed; it is made again',
      );
  }

  #refuse(by: 'stream' | 'rest', why: object): void {
    const { context, venue, native } = this.#options;
    if (this.#refusedBy === null)
      context.log.error(
        { ...why, venue: venue.name, symbol: native },
        'the venue does not take this symbol; is it spelt right, and not delisted?',
      );
    if (this.#refusedBy !== 'stream') this.#refusedBy = by;
  }

  /** @returns whether there was progress. */
  async #meet(need: Need): Promise<boolean> {
    if (need === 'place') return this.#place();
    if (need === 'probe') return this.#probe();
    const { backfillMs } = this.#options;
    if (this.#venueNow - Math.max(this.#track.lastTime, this.#track.proved) > backfillMs) return this.#skipAbsence();
    return this.#page();
  }

  /** After what is stored, or with the minute that is under way. */
  #place(): Promise<boolean> {
    const { context, backfillMs } = this.#options;
    const stored = context.resume(this.symbol).lastClosedEnd;
    return this.#placeAt((now) =>
      stored === null ? floorMinute(now) : Math.max(stored, floorMinute(now - backfillMs)),
    );
  }

  #skipAbsence(): Promise<boolean> {
    return this.#placeAt((now) => floorMinute(now - this.#options.backfillMs));
  }

  async #placeAt(timeAt: (venueNow: number) => number): Promise<boolean> {
    const { venue, rest, native } = this.#options;
    // In this order: the first answer tells the venue's clock, and what trades in between has an id above the newest.
    const newest = await venue.newest(rest.get, native);
    const timeMs = timeAt(this.#venueNow);
    const first = await venue.seek(rest.get, native, timeMs);
    if (this.#stopped) return false;
    this.#track.place(first ?? (newest ?? -1) + 1, timeMs, this.#now);
    return true;
  }

  async #probe(): Promise<boolean> {
    const { venue, rest, native } = this.#options;
    const askedAt = this.#venueNow;
    const newest = await venue.newest(rest.get, native);
    if (this.#stopped) return false;
    return this.#track.confirm(newest ?? -1, askedAt, this.#now);
  }

  async #page(): Promise<boolean> {
    const { venue, rest, native, context } = this.#options;
    const from = this.#track.next ?? 0;
    const raw = await venue.page(rest.get, native, from, this.#track.lastTime);
    await context.sink.ready();
    await nextTurn();
    if (this.#stopped) return false;
    const before = this.#track.next;
    const owed = this.#track.page(this.#readable(raw), this.#now);
    for (const trade of owed) this.#health.seen(trade.time);
    this.#noteStall(owed);
    if (this.#track.next !== before) return true;
    const newest = await venue.newest(rest.get, native);
    if (!this.#stopped) this.#track.deny(newest ?? -1, this.#now);
    return false;
  }

  /** Up to the first that makes no sense: what follows it must not be taken for all there is. */
  #readable(raw: readonly RawTrade[]): Trade[] {
    const trades: Trade[] = [];
    for (const item of raw) {
      const trade = this.#read(item);
      if (trade === null) break;
      trades.push(trade);
    }
    return trades;
  }

  /** A stream that is up and brings nothing while REST has trades is dead without knowing it; one that lost a trade is not. */
  #noteStall(owed: readonly Trade[]): void {
    const { line, timings } = this.#options;
    if (line.liveSince === null || this.#refusedBy === 'stream') return;
    const from = Math.max(line.liveSince - this.#options.rest.skewMs + timings.stallMs, this.#streamedTime + 1);
    const to = this.#venueNow - timings.stallMs;
    if (owed.some(({ time }) => time >= from && time <= to)) line.replace(`${this.symbol} has stalled`);
  }

  #showHealth(liveSince: number | null): void {
    const { timings } = this.#options;
    const isLate = this.#venueNow - this.#track.proved > timings.staleAfterMs;
    if (this.#refusedBy !== null) {
      this.#health.become('stale');
      return;
    }
    if (!this.#fetching && this.#track.next === null) return;
    if (this.#fetching && (this.#track.hasHole || this.#track.next === null)) this.#health.become('backfilling');
    else if (liveSince === null || isLate) this.#health.become('stale');
    else this.#health.become(this.#track.isInGap ? 'gap' : 'live');
    this.#health.refresh();
  }
}

const REFUSALS: Readonly<Record<string, string>> = {
  bad_time: 'the trade is a minute or more behind the one before it',
  too_late: 'the trade is more than 60 minutes behind its symbol',
  overflow: 'with this trade the volume of its candle would pass DECIMAL(20,8)',
};
