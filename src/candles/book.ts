import { assert } from '../kit/assert.js';
import { type Candle, type Gap, REVISION_HORIZON_MS } from '../market/candle.js';
import type { HotWindow, MarketEvent } from '../market/event.js';
import { INTERVALS, type Interval, MINUTE_MS } from '../market/interval.js';
import { nextSeq } from '../market/position.js';
import type { Trade } from '../market/trade.js';
import { CLOSE, FILLED, fillFlat, foldTrade, fromCandle, REVISION, SEQ, SLOT_SIZE, TRADES, toCandle } from './fold.js';
import { IdSet } from './ids.js';
import { Ladder } from './ladder.js';
import { Ring } from './ring.js';

/** Trades may run this far ahead of the newest closed minute before the clock follows. */
const AHEAD_MS = 60 * MINUTE_MS;
/** Holds the horizon, the hour that its oldest minute is in, and the minutes that are open. */
const MINUTES_KEPT = 256;
const GAPS_KEPT = 32;

assert(
  MINUTES_KEPT * MINUTE_MS >= REVISION_HORIZON_MS + AHEAD_MS + 120 * MINUTE_MS,
  'the minute ring covers the horizon',
);

/** How a trade ended. `too_early`: the clock has not been advanced that far. */
export type TradeOutcome = 'applied' | 'duplicate' | 'corrected' | 'too_late' | 'too_early' | 'overflow';

/**
 * What is stored of a symbol when a process starts, each list ascending and reaching to the newest:
 * at least 130 minutes, 49 hours and 63 days where there are as many.
 */
export interface StoredState {
  readonly minutes: readonly Candle[];
  readonly hours: readonly Candle[];
  readonly days: readonly Candle[];
  readonly gaps: readonly Gap[];
  readonly lastSeq: number;
}

/**
 * The candles of one symbol: the open minutes, what is needed of the closed ones, and the ladder above them.
 * Pure: time arrives as an argument, what happened leaves through `emit`.
 *
 * After a restart the feed delivers every trade from `foldFrom` again. What is stored from there on is `known`: a
 * refolded minute that comes to the same number of trades is taken as stored, silently; one with more is a correction;
 * one with fewer stands as stored while the rest of its trades (late ones) arrive into its `shadow`.
 */
export class SymbolBook {
  readonly symbol: string;
  readonly epoch: number;
  readonly #emit: (event: MarketEvent) => void;
  readonly #onChange: (book: SymbolBook) => void;
  readonly #minutes = new Ring(MINUTES_KEPT, MINUTE_MS);
  readonly #slots = this.#minutes.slots;
  readonly #ids: (IdSet | undefined)[] = new Array(MINUTES_KEPT);
  readonly #ladder: Ladder;
  readonly #channelSeqs = new Map<Interval, number>(INTERVALS.map((interval) => [interval, 0]));
  readonly #known = new Map<number, Candle>();
  readonly #shadows = new Map<number, Float64Array>();
  readonly #revised = new Set<number>();
  readonly #gaps: Gap[] = [];
  /** A slot whose close is the price at which minutes without trades are flat. */
  readonly #lastClose = new Float64Array(SLOT_SIZE);
  /** Open times. NaN until there is one. */
  #closed = Number.NaN;
  #firstOpen = Number.NaN;
  #newestOpen = Number.NEGATIVE_INFINITY;
  /** The open minute of the last trade (in minutes since the epoch; −1: none), its slot and its ids: small integers, never boxed. */
  #hotIndex = -1;
  #hotSlot = 0;
  #hotIds = new IdSet();
  /** Trades before it are too late: their minutes' ids are not known here. */
  #floor = Number.NEGATIVE_INFINITY;
  #knownThrough = Number.NEGATIVE_INFINITY;
  #lastSeq = 0;
  #restoredSeq = 0;
  /** An open candle has changed since the engine last took this down. */
  changed = false;

  /** @param epoch the writer's. */
  constructor(symbol: string, epoch: number, emit: (event: MarketEvent) => void, onChange: (book: SymbolBook) => void) {
    this.symbol = symbol;
    this.epoch = epoch;
    this.#emit = emit;
    this.#onChange = onChange;
    this.#ladder = new Ladder(symbol, this.#minutes);
  }

  /** Called once, before the first trade. `foldFrom` is the open time of a minute. */
  restore(stored: StoredState, foldFrom: number): void {
    assert(Number.isNaN(this.#closed) && Number.isNaN(this.#firstOpen), 'a book is restored before its first trade');
    for (const candle of stored.minutes) {
      if (candle.openTime >= foldFrom) this.#known.set(candle.openTime, candle);
      else fromCandle(this.#slots, this.#minutes.take(candle.openTime), candle);
    }
    const last = stored.minutes.findLast((candle) => candle.openTime < foldFrom);
    if (last !== undefined) {
      fromCandle(this.#lastClose, 0, last);
      this.#closed = foldFrom - MINUTE_MS;
      this.#ladder.restore(stored.minutes.length, stored.hours, stored.days, foldFrom);
    }
    this.#gaps.push(...stored.gaps.slice(-GAPS_KEPT));
    this.#floor = foldFrom;
    this.#lastSeq = stored.lastSeq;
    this.#restoredSeq = stored.lastSeq;
    for (const openTime of this.#known.keys()) {
      this.#knownThrough = Math.max(this.#knownThrough, openTime);
      if (last === undefined && !(openTime >= this.#firstOpen)) this.#firstOpen = openTime;
    }
    for (const gap of this.#gaps) this.#knownThrough = Math.max(this.#knownThrough, minuteOf(gap.to) - MINUTE_MS);
    for (const interval of INTERVALS) this.#channelSeqs.set(interval, this.#storedSeq(interval));
  }

  #storedSeq(interval: Interval): number {
    const seqs = [...this.#closedCandles(interval), ...this.#gaps].map((item) => item.seq);
    return Math.max(0, ...seqs);
  }

  /** Open time of the newest stored minute that the refold has to reach; −∞ without any. */
  get knownThrough(): number {
    return this.#knownThrough;
  }

  apply(trade: Trade): TradeOutcome {
    const index = (trade.time / MINUTE_MS) | 0;
    if (index !== this.#hotIndex) {
      const minute = index * MINUTE_MS;
      if (minute <= this.#closed) return this.#applyLate(trade, minute);
      const refusal = this.#heat(minute);
      if (refusal !== null) return refusal;
      this.#hotIndex = index;
    }
    if (!this.#hotIds.add(trade.id)) return 'duplicate';
    if (!foldTrade(this.#slots, this.#hotSlot, trade)) return 'overflow';
    if (!this.changed) this.#touch();
    return 'applied';
  }

  /** Makes an open minute the one that trades go to without a look-up. */
  #heat(minute: number): 'too_late' | 'too_early' | null {
    if (minute < this.#floor) return 'too_late';
    if (!this.#inReach(minute)) return minute > this.#firstPossible() ? 'too_early' : 'too_late';
    const at = this.#minutes.find(minute);
    this.#hotSlot = at >= 0 ? at : this.#takeMinute(minute);
    this.#hotIds = this.#idsOf(minute);
    return null;
  }

  #touch(): void {
    if (this.changed) return;
    this.changed = true;
    this.#onChange(this);
  }

  #firstPossible(): number {
    return Number.isNaN(this.#closed) ? this.#firstOpen : this.#closed;
  }

  #inReach(minute: number): boolean {
    if (!Number.isNaN(this.#closed)) return minute - this.#closed <= AHEAD_MS;
    if (Number.isNaN(this.#firstOpen)) return true;
    return minute - this.#firstOpen <= AHEAD_MS && this.#newestOpen - minute <= AHEAD_MS;
  }

  #takeMinute(minute: number): number {
    if (!(minute >= this.#firstOpen)) this.#firstOpen = minute;
    if (minute > this.#newestOpen) this.#newestOpen = minute;
    this.#ids[this.#minutes.index(minute)]?.clear();
    return this.#minutes.take(minute);
  }

  #idsOf(minute: number): IdSet {
    const index = this.#minutes.index(minute);
    let ids = this.#ids[index];
    if (ids === undefined) {
      ids = new IdSet();
      this.#ids[index] = ids;
    }
    return ids;
  }

  #applyLate(trade: Trade, minute: number): TradeOutcome {
    if (minute < this.#floor || this.#closed - minute >= REVISION_HORIZON_MS) return 'too_late';
    let at = this.#minutes.find(minute);
    if (at < 0 || this.#slots[at + FILLED] !== 1) {
      if (minute < this.#firstOpen) return 'too_late';
      at = this.#takeMinute(minute);
      this.#slots[at + REVISION] = -1;
    }
    if (!this.#idsOf(minute).add(trade.id)) return 'duplicate';
    const shadow = this.#shadows.get(minute);
    if (shadow !== undefined) {
      foldTrade(shadow, 0, trade);
      if (shadow[TRADES] === this.#slots[at + TRADES]) this.#shadows.delete(minute);
      return 'applied';
    }
    if (!foldTrade(this.#slots, at, trade)) return 'overflow';
    this.#revised.add(minute);
    return 'corrected';
  }

  /** Emits the corrections that late trades have made since the last call: one revision a minute. */
  settle(): void {
    if (this.#revised.size === 0) return;
    const minutes = [...this.#revised].sort((a, b) => a - b);
    this.#revised.clear();
    const touched: number[] = [];
    for (const minute of minutes) {
      this.#correct(minute, touched);
      this.#moveFlats(minute, touched);
    }
    for (const candle of this.#ladder.recompute(touched, this.#closed)) this.#emitClosed(candle.interval, candle);
    this.#touch();
  }

  /** Minutes without trades after a corrected one are flat at its new close. */
  #moveFlats(corrected: number, touched: number[]): void {
    const slots = this.#slots;
    let from = this.#minutes.find(corrected);
    for (let minute = corrected + MINUTE_MS; minute <= this.#closed; minute += MINUTE_MS) {
      const at = this.#minutes.find(minute);
      if (at < 0 || slots[at + FILLED] !== 1) continue;
      if (slots[at + TRADES] !== 0 || sameClose(slots, at, from)) return;
      fillFlat(slots, at, slots, from);
      this.#correct(minute, touched);
      from = at;
    }
    this.#lastClose.set(slots.subarray(from, from + SLOT_SIZE));
  }

  #correct(minute: number, touched: number[]): void {
    const at = this.#minutes.find(minute);
    this.#slots[at + REVISION] = (this.#slots[at + REVISION] as number) + 1;
    this.#publishMinute(at, minute);
    touched.push(minute);
  }

  #publishMinute(at: number, minute: number): void {
    this.#slots[at + SEQ] = this.#takeSeq();
    this.#emitClosed('1m', toCandle(this.#slots, at, this.symbol, '1m', minute, true));
  }

  #emitClosed(interval: Interval, candle: Candle): void {
    const prev = this.#channelSeqs.get(interval) ?? 0;
    // Only a bucket that an outage cut short can be older than the channel: give it a place after what was sent.
    const seq = candle.seq > prev ? candle.seq : this.#takeSeq();
    this.#channelSeqs.set(interval, seq);
    this.#emit({ kind: 'closed', symbol: this.symbol, interval, epoch: this.epoch, seq, prev, candle });
  }

  /** Closes every minute that ended `graceMs` or more before `timeMs`; minutes without trades close flat. */
  advance(timeMs: number, graceMs: number): void {
    const until = minuteOf(timeMs - graceMs) - MINUTE_MS;
    if (!(until >= this.#nextOpen())) return;
    this.settle();
    for (let minute = this.#nextOpen(); minute <= until; minute += MINUTE_MS) this.#close(minute);
    // The next candle may have trades already, and a longer one begins flat.
    this.#touch();
  }

  /** Open time of the minute that closes next; NaN before the first trade. */
  #nextOpen(): number {
    return Number.isNaN(this.#closed) ? this.#firstOpen : this.#closed + MINUTE_MS;
  }

  /** seq for a durable event now. */
  #takeSeq(): number {
    const newest = Number.isNaN(this.#closed) ? this.#firstOpen - MINUTE_MS : this.#closed;
    this.#lastSeq = nextSeq(this.#lastSeq, newest);
    return this.#lastSeq;
  }

  #close(minute: number): void {
    const at = this.#minutes.find(minute) >= 0 ? this.#minutes.find(minute) : this.#takeMinute(minute);
    const slots = this.#slots;
    this.#closed = minute;
    this.#hotIndex = -1;
    const known = this.#known.get(minute);
    this.#known.delete(minute);
    if (known !== undefined && (slots[at + TRADES] as number) <= known.trades) this.#adopt(at, known);
    else if (slots[at + TRADES] !== 0 || (minute > this.#knownThrough && this.#lastClose[FILLED] === 1)) {
      if (slots[at + TRADES] === 0) fillFlat(slots, at, this.#lastClose, 0);
      if (known !== undefined) slots[at + REVISION] = known.revision + 1;
      this.#publishMinute(at, minute);
    }
    if (slots[at + FILLED] === 1) this.#lastClose.set(slots.subarray(at, at + SLOT_SIZE));
    for (const candle of this.#ladder.add(minute)) this.#closeBucket(candle);
  }

  #adopt(at: number, known: Candle): void {
    const slots = this.#slots;
    if ((slots[at + TRADES] as number) < known.trades)
      this.#shadows.set(known.openTime, slots.slice(at, at + SLOT_SIZE));
    fromCandle(slots, at, known);
    this.#raiseChannelSeq('1m', known.seq);
  }

  #closeBucket(candle: Candle): void {
    if (candle.seq > this.#restoredSeq) this.#emitClosed(candle.interval, candle);
    else this.#raiseChannelSeq(candle.interval, candle.seq);
  }

  #raiseChannelSeq(interval: Interval, seq: number): void {
    if (seq > (this.#channelSeqs.get(interval) ?? 0)) this.#channelSeqs.set(interval, seq);
  }

  /**
   * The feed was away in [from, to): minutes before it close as usual, the one it begins in closes with what it has,
   * nothing is invented inside, and the gap is announced before anything after it.
   */
  gap(from: number, to: number, reason: string): void {
    const next = this.#nextOpen();
    if (Number.isNaN(next)) return;
    this.settle();
    const resume = minuteOf(to);
    const cut = minuteOf(from);
    for (let minute = next; minute < resume && minute <= Math.max(cut, this.#newestOpen); minute += MINUTE_MS) {
      const at = this.#minutes.find(minute);
      const empty = at < 0 || this.#slots[at + TRADES] === 0;
      if (minute >= cut && empty && !this.#known.has(minute)) this.#skip(minute);
      else this.#close(minute);
    }
    if (resume - MINUTE_MS > this.#closed) this.#skip(resume - MINUTE_MS);
    this.#touch();
    if (this.#gaps.some((gap) => gap.from === from && gap.to === to)) return;
    const gap: Gap = { symbol: this.symbol, from, to, reason, seq: this.#takeSeq() };
    this.#gaps.push(gap);
    if (this.#gaps.length > GAPS_KEPT) this.#gaps.shift();
    for (const interval of INTERVALS) {
      const prev = this.#channelSeqs.get(interval) ?? 0;
      this.#channelSeqs.set(interval, gap.seq);
      this.#emit({ kind: 'gap', symbol: this.symbol, interval, epoch: this.epoch, seq: gap.seq, prev, gap });
    }
  }

  /** Passes over every minute up to `minute` without a candle; longer candles that end there close. */
  #skip(minute: number): void {
    this.#closed = minute;
    this.#hotIndex = -1;
    for (const candle of this.#ladder.passOver(minute)) this.#closeBucket(candle);
  }

  /** The open candle of an interval as it stands; null while nothing of it has traded. */
  open(interval: Interval): Candle | null {
    const next = this.#nextOpen();
    if (Number.isNaN(next)) return null;
    if (interval === '1m') {
      const at = this.#minutes.find(next);
      if (at < 0 || this.#slots[at + FILLED] !== 1) return null;
      return toCandle(this.#slots, at, this.symbol, '1m', next, false);
    }
    return this.#ladder.open(interval, next, this.#newestOpen);
  }

  /** seq of the last durable event of an interval's channel. */
  channelSeq(interval: Interval): number {
    return this.#channelSeqs.get(interval) ?? 0;
  }

  window(interval: Interval): Omit<HotWindow, 'epoch'> {
    return {
      seq: this.channelSeq(interval),
      closed: this.#closedCandles(interval),
      open: this.open(interval),
      gaps: [...this.#gaps],
    };
  }

  #closedCandles(interval: Interval): Candle[] {
    if (Number.isNaN(this.#closed)) return [];
    if (interval !== '1m') return this.#ladder.closed(interval, this.#closed);
    const candles: Candle[] = [];
    const from = Math.max(this.#minutes.keptFrom, this.#closed - (MINUTES_KEPT - 1) * MINUTE_MS + AHEAD_MS);
    for (let minute = from; minute <= this.#closed; minute += MINUTE_MS) {
      const at = this.#minutes.find(minute);
      if (at < 0 || this.#slots[at + FILLED] !== 1) continue;
      candles.push(toCandle(this.#slots, at, this.symbol, '1m', minute, true));
    }
    return candles;
  }
}

function minuteOf(timeMs: number): number {
  return Math.floor(timeMs / MINUTE_MS) * MINUTE_MS;
}

function sameClose(slots: Float64Array, a: number, b: number): boolean {
  return slots[a + CLOSE] === slots[b + CLOSE] && slots[a + CLOSE + 1] === slots[b + CLOSE + 1];
}
