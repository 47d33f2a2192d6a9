import { MINUTE_MS } from '../../market/interval.js';
import type { Trade } from '../../market/trade.js';
import { floorMinute, type TradeSink } from '../feed.js';
import { Pending } from './pending.js';
import type { Timings } from './timings.js';
import type { Beat } from './venue.js';

/** What a symbol needs of the venue's REST: to know where it begins; trades that are missing; whether there are newer trades. */
export type Need = 'place' | 'page' | 'probe';

/** As many trades in a row, by id, are no accident. */
const CREDIBLE_RUN = 3;
/**
 * After so many trades in order an id ahead is forgotten (if it was a right one it comes again); after so many new trades with ids
 * behind, ids have begun anew.
 */
const CREDIBLE_ORDER = 10;
/** A streamed trade further behind the one before it is not believed before REST confirms it. */
const MAX_BACKWARDS_MS = MINUTE_MS;
/** A jump of ids in what REST answers is believed when it is answered again this much later. */
const CONFIRM_SKIP_MS = 2000;

export interface TrackOptions {
  readonly symbol: string;
  readonly sink: TradeSink;
  readonly graceMs: number;
  readonly timings: Timings;
  /** End of the newest stored minute, epoch ms; null where nothing is stored. */
  readonly storedEnd: number | null;
  /** Where the engine refuses a trade, or a trade is not believed. */
  refused(reason: string, trade: Trade): void;
}

/**
 * The trades of one symbol in the order of their ids, each once, without a hole. The symbol's clock moves only as far as it is proved that
 * nothing is missing (by a trade that follows, by the venue's word, by REST), so that a minute never closes over a hole; a hole that
 * cannot be filled is announced as a gap. Pure: no I/O and no timers. `now` is our clock, `venueNow` the venue's, epoch ms.
 */
export class Track {
  readonly #options: TrackOptions;
  readonly #pending = new Pending();
  /** Id of the trade that comes next; null while it is not known where to begin. */
  #next: number | null = null;
  /** Highest id that was seen, and that the venue itself vouches for. */
  #head = -1;
  #vouched = -1;
  /** Trades before it are not wanted: they belong to what is stored, or to a minute that was not seen from its beginning. */
  #begin = Number.NEGATIVE_INFINITY;
  #lastTime = Number.NEGATIVE_INFINITY;
  #proved = Number.NEGATIVE_INFINITY;
  #holeSince: number | null = null;
  /** Since when REST owes something without any progress. */
  #waitingSince: number | null = null;
  #lastStreamed = -1;
  /** When a trade came ahead last. */
  #aheadAt = Number.NEGATIVE_INFINITY;
  #inOrder = 0;
  #behind = { count: 0, id: -1 };
  #skip = { next: -1, to: -1, at: 0 };
  #gapEnd = Number.NEGATIVE_INFINITY;
  duplicates = 0;
  /** Trades from before the time where it began. */
  notWanted = 0;
  gaps = 0;
  /** Trades that came over REST. */
  backfilled = 0;

  constructor(options: TrackOptions) {
    this.#options = options;
  }

  get next(): number | null {
    return this.#next;
  }

  /** Time of the newest trade that was delivered, or where it began. */
  get lastTime(): number {
    return this.#lastTime;
  }

  /** Up to here nothing is missing, or it was announced. */
  get proved(): number {
    return this.#proved;
  }

  get hasHole(): boolean {
    return this.#holeSince !== null;
  }

  /** A gap was announced, and the minute that it ends in is not over. */
  get isInGap(): boolean {
    return this.#proved < this.#gapEnd;
  }

  needs(now: number, venueNow: number): Need | null {
    const need = this.#need(now, venueNow);
    if (need === null) this.#waitingSince = null;
    else this.#waitingSince ??= now;
    return need;
  }

  #need(now: number, venueNow: number): Need | null {
    const { timings, graceMs } = this.#options;
    if (this.#next === null) return 'place';
    if (this.#holeSince !== null) return now - this.#holeSince >= timings.reorderMs ? 'page' : null;
    const closesAt = floorMinute(this.#proved - graceMs) + MINUTE_MS + graceMs;
    return venueNow >= closesAt + timings.probeAfterMs ? 'probe' : null;
  }

  /** Begins with the trade `next`, the first one at or after `timeMs`. What is stored ends before: the stretch between is a gap. */
  place(next: number, timeMs: number, now: number): void {
    const { storedEnd, sink, symbol, graceMs } = this.#options;
    if (storedEnd !== null && this.#next === null) {
      sink.advance(symbol, storedEnd + graceMs);
      if (timeMs > storedEnd) this.#announce(storedEnd, timeMs, 'the trades of this time were not fetched');
    } else if (this.#next !== null) this.#announce(this.#from(), timeMs, 'the absence was longer than is fetched');
    this.#next = next;
    this.#begin = timeMs;
    this.#lastTime = timeMs;
    this.#prove(timeMs);
    this.#pending.dropBelow(next);
    this.#drain(now);
    this.#waitingSince = null;
  }

  /** A trade of the stream. */
  offer(trade: Trade, now: number): void {
    if (this.#next === null) this.#keep(trade, now);
    else if (trade.id < this.#next) this.#wasSeen(trade, now);
    else if (trade.time < this.#lastTime - MAX_BACKWARDS_MS) this.#options.refused('bad_time', trade);
    else if (trade.id > this.#next) {
      this.#keep(trade, now);
      this.#settle(now);
    } else {
      this.#inOrder++;
      this.#lastStreamed = trade.id;
      this.#behind.count = 0;
      this.#deliver(trade);
      this.#drain(now);
      if (this.#inOrder >= CREDIBLE_ORDER && this.#vouched < (this.#next ?? 0)) this.#forgetAhead(now);
    }
  }

  #keep(trade: Trade, now: number): void {
    this.#pending.add(trade);
    this.#aheadAt = now;
    this.#head = Math.max(this.#head, trade.id);
    this.#lastStreamed = trade.id;
    this.#inOrder = 0;
    this.#behind.count = 0;
  }

  /** A duplicate, or, where new trades keep coming with old ids, ids that began anew. */
  #wasSeen(trade: Trade, now: number): void {
    this.duplicates++;
    if (trade.time <= this.#lastTime) return;
    this.#behind = { count: trade.id > this.#behind.id ? this.#behind.count + 1 : 1, id: trade.id };
    if (this.#behind.count < CREDIBLE_ORDER) return;
    this.#announce(this.#from(), trade.time + 1, "the venue's trade ids began anew");
    this.#restartAt(trade.id, now);
    this.#deliver(trade);
  }

  #restartAt(id: number, now: number): void {
    this.#pending.clear();
    this.#next = id;
    this.#head = id - 1;
    this.#vouched = id - 1;
    this.#behind = { count: 0, id: -1 };
    this.#settle(now);
  }

  /**
   * What REST answered to a question for trades from `askedFrom` (not after `next`) on; it ends before one that was not readable.
   * @returns those that were new and had not come by the stream.
   */
  page(trades: readonly Trade[], now: number): readonly Trade[] {
    const owed: Trade[] = [];
    for (const trade of trades) {
      if (this.#next === null || trade.id < this.#next) continue;
      if (trade.id > this.#next && !this.#believeSkip(trade.id, now)) break;
      if (!this.#pending.has(trade.id)) owed.push(trade);
      this.#deliver(trade);
    }
    this.backfilled += owed.length;
    if (this.#next !== null) this.#pending.dropBelow(this.#next);
    this.#drain(now);
    return owed;
  }

  /** Ids may have holes, and an answer may lack a trade for a moment. */
  #believeSkip(to: number, now: number): boolean {
    if (this.#skip.next === this.#next && this.#skip.to === to) return now - this.#skip.at >= CONFIRM_SKIP_MS;
    this.#skip = { next: this.#next ?? -1, to, at: now };
    return false;
  }

  /** The venue's own word on what its newest trade is. */
  beat({ fromMs, untilMs, lastId, complete }: Beat, now: number): void {
    if (this.#next === null) return;
    const proof = complete ? untilMs + this.#options.graceMs : untilMs;
    if (lastId === null) {
      if (this.#holeSince === null && this.#proved >= fromMs) this.#prove(proof);
    } else if (lastId >= this.#next) this.#vouch(lastId, now);
    else if (complete || lastId === this.#next - 1) this.#prove(proof);
  }

  /** REST, asked at venue time `askedAt`, says that `newest` is the newest trade. @returns whether that settles the question. */
  confirm(newest: number, askedAt: number, now: number): boolean {
    if (this.#next === null) return false;
    if (newest >= this.#next) this.#vouch(newest, now);
    else if (newest === this.#next - 1) this.#prove(askedAt);
    // It has not heard of our newest trade yet, and so may lack others.
    else return false;
    this.#waitingSince = null;
    return true;
  }

  /** A page brought nothing, and REST says that `newest` is the newest trade: after a while ids ahead of it were wrong ones. */
  deny(newest: number, now: number): void {
    if (this.#next === null || newest !== this.#next - 1 || this.#vouched >= this.#next) return;
    if (now - this.#aheadAt >= this.#options.timings.patienceMs / 2) this.#forgetAhead(now);
  }

  #vouch(id: number, now: number): void {
    this.#vouched = Math.max(this.#vouched, id);
    this.#head = Math.max(this.#head, id);
    this.#settle(now);
  }

  /** To be called while the stream is up, which it has been since `liveSince`: ends a wait that has been too long. */
  giveUp(now: number, venueNow: number, liveSince: number): void {
    if (this.#waitingSince === null) return;
    if (now - Math.max(this.#waitingSince, liveSince) < this.#options.timings.patienceMs) return;
    if (this.#next === null) this.#beginWithStream(now);
    else if (this.#holeSince !== null) this.#leaveHole(now, venueNow);
    else this.#announce(this.#from(), venueNow, 'nothing proved that there were no trades');
  }

  #beginWithStream(now: number): void {
    const start = floorMinute(this.#pending.earliestTime) + MINUTE_MS;
    const run = this.#pending.run(this.#lastStreamed);
    const first = run.find(({ time }) => time >= start);
    if (first === undefined || run.length < CREDIBLE_RUN) return;
    this.place(first.id, start, now);
  }

  #leaveHole(now: number, venueNow: number): void {
    const run = this.#pending.run(this.#lastStreamed);
    const first = run[0];
    if (first !== undefined && run.length >= CREDIBLE_RUN) {
      this.#announce(this.#from(), first.time + 1, 'trades were missed and the venue did not deliver them again');
      this.#next = first.id;
      this.#pending.dropBelow(first.id);
      this.#drain(now);
    } else {
      this.#announce(this.#from(), venueNow, 'trades were missed and the venue did not deliver them again');
      this.#forgetAhead(now);
    }
    this.#waitingSince = null;
  }

  /** Whatever was real among it comes again: the next id stays the one that is awaited. */
  #forgetAhead(now: number): void {
    this.#pending.clear();
    this.#head = (this.#next ?? 0) - 1;
    this.#vouched = this.#head;
    this.#settle(now);
  }

  #from(): number {
    return Math.max(this.#lastTime, this.#proved - this.#options.graceMs);
  }

  #announce(from: number, to: number, reason: string): void {
    const end = Math.max(to, from + 1);
    this.gaps++;
    this.#options.sink.gap(this.#options.symbol, from, end, reason);
    this.#gapEnd = floorMinute(end - 1) + MINUTE_MS;
    this.#waitingSince = null;
    this.#prove(end);
  }

  #drain(now: number): void {
    for (;;) {
      const trade = this.#next === null ? undefined : this.#pending.take(this.#next);
      if (trade === undefined) break;
      this.#deliver(trade);
    }
    this.#settle(now);
  }

  #settle(now: number): void {
    if (this.#next === null || this.#next > this.#head) this.#holeSince = null;
    else this.#holeSince ??= now;
  }

  #deliver(trade: Trade): void {
    this.#next = trade.id + 1;
    this.#waitingSince = null;
    if (trade.time < this.#begin) {
      this.notWanted++;
      return;
    }
    const outcome = this.#options.sink.trade(trade);
    if (outcome === 'too_late' || outcome === 'overflow') this.#options.refused(outcome, trade);
    if (trade.time > this.#lastTime) this.#lastTime = trade.time;
    this.#prove(trade.time);
  }

  #prove(timeMs: number): void {
    if (timeMs <= this.#proved) return;
    this.#proved = timeMs;
    this.#options.sink.advance(this.#options.symbol, timeMs);
  }
}
