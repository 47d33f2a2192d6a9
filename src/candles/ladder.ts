import type { Candle } from '../market/candle.js';
import { bucketEnd, bucketStart, DAY_MS, HOUR_MS, INTERVALS, type Interval, MINUTE_MS } from '../market/interval.js';
import { clearSlot, FILLED, fromCandle, mergeLater, SLOT_SIZE, toCandle } from './fold.js';
import { Ring } from './ring.js';

/** Intervals above the base, shortest first: an hour is rolled before what is made of hours. */
const LADDER: readonly Interval[] = INTERVALS.filter((interval) => interval !== '1m');
const HOUR = LADDER.indexOf('1h');
const DAY = LADDER.indexOf('1d');

/** What a longer bucket is folded from; each is made of whole children. */
const CHILD: readonly ('1m' | '1h' | '1d')[] = LADDER.map((_, i) => (i <= HOUR ? '1m' : i <= DAY ? '1h' : '1d'));

/** The day that holds the oldest correctable hour, whole, and the day before it. */
const HOURS_KEPT = 64;
/** The month that holds the oldest correctable day, whole, and the month before it. */
const DAYS_KEPT = 64;
/** Fewer stored candles than were asked for are all there are. */
const STORED_MINUTES = 130;
const STORED_HOURS = 49;
const STORED_DAYS = 63;

/**
 * Every longer interval of one symbol, folded from its closed minutes. The closed part of each current bucket is kept
 * and grows by a merge a minute; a correction folds the buckets it touches anew from their children.
 */
export class Ladder {
  readonly #symbol: string;
  readonly #minutes: Ring;
  readonly #hours = new Ring(HOURS_KEPT, HOUR_MS);
  readonly #days = new Ring(DAYS_KEPT, DAY_MS);
  readonly #partials = new Float64Array(LADDER.length * SLOT_SIZE);
  readonly #starts = new Float64Array(LADDER.length).fill(Number.NaN);
  readonly #ends = new Float64Array(LADDER.length).fill(Number.NEGATIVE_INFINITY);
  readonly #scratch = new Float64Array(SLOT_SIZE);
  readonly #olderStored = { '1m': false, '1h': false, '1d': false };

  constructor(symbol: string, minutes: Ring) {
    this.#symbol = symbol;
    this.#minutes = minutes;
  }

  /** The ring of minutes before `foldFrom` is filled already; whole hours and days before it come from the store. */
  restore(minutes: number, hours: readonly Candle[], days: readonly Candle[], foldFrom: number): void {
    this.#olderStored['1m'] = minutes >= STORED_MINUTES;
    this.#olderStored['1h'] = hours.length >= STORED_HOURS;
    this.#olderStored['1d'] = days.length >= STORED_DAYS;
    fill(this.#hours, hours, foldFrom);
    fill(this.#days, days, foldFrom);
    for (let i = 0; i < LADDER.length; i++)
      this.#refoldPartial(i, bucketStart(LADDER[i] as Interval, foldFrom), foldFrom);
  }

  /** Takes in a minute that has closed. @returns the longer candles that closed with it. */
  add(minute: number): Candle[] {
    const at = this.#minutes.find(minute);
    const end = minute + MINUTE_MS;
    let closed: Candle[] = NONE;
    for (let i = 0; i < LADDER.length; i++) {
      if (minute >= (this.#ends[i] as number)) this.#begin(i, minute);
      if (at >= 0) mergeLater(this.#partials, i * SLOT_SIZE, this.#minutes.slots, at);
      if (this.#ends[i] === end) closed = this.#end(i, closed);
    }
    return closed;
  }

  /** Time has passed to the end of `minute` without candles. @returns the longer candles that ended on the way. */
  passOver(minute: number): Candle[] {
    let closed: Candle[] = NONE;
    for (let i = 0; i < LADDER.length; i++) {
      const end = this.#ends[i] as number;
      // −∞: nothing was begun since the last one ended.
      if (Number.isFinite(end) && end <= minute + MINUTE_MS) closed = this.#end(i, closed);
    }
    return closed;
  }

  #begin(i: number, minute: number): void {
    const interval = LADDER[i] as Interval;
    const start = bucketStart(interval, minute);
    this.#starts[i] = start;
    this.#ends[i] = bucketEnd(interval, start);
    clearSlot(this.#partials, i * SLOT_SIZE, start);
  }

  #end(i: number, closed: Candle[]): Candle[] {
    const at = i * SLOT_SIZE;
    const start = this.#starts[i] as number;
    this.#starts[i] = Number.NaN;
    this.#ends[i] = Number.NEGATIVE_INFINITY;
    if (this.#partials[at + FILLED] !== 1) return closed;
    this.#keep(i, start, this.#partials, at);
    const candle = toCandle(this.#partials, at, this.#symbol, LADDER[i] as Interval, start, true);
    if (closed === NONE) return [candle];
    closed.push(candle);
    return closed;
  }

  /** Hours and days are the children of longer buckets. */
  #keep(i: number, start: number, slots: Float64Array, at: number): void {
    const ring = i === HOUR ? this.#hours : i === DAY ? this.#days : null;
    ring?.slots.set(slots.subarray(at, at + SLOT_SIZE), ring.take(start));
  }

  /** Folds anew what the corrected minutes touch. @returns the corrected candles of buckets that had closed. */
  recompute(minutes: readonly number[], closedThrough: number): Candle[] {
    const corrected: Candle[] = [];
    const closedEnd = closedThrough + MINUTE_MS;
    for (let i = 0; i < LADDER.length; i++) {
      const interval = LADDER[i] as Interval;
      for (const start of new Set(minutes.map((minute) => bucketStart(interval, minute)))) {
        if (bucketEnd(interval, start) > closedEnd) {
          this.#refoldPartial(i, start, closedEnd);
          continue;
        }
        this.#fold(i, start, closedEnd);
        this.#keep(i, start, this.#scratch, 0);
        corrected.push(toCandle(this.#scratch, 0, this.#symbol, interval, start, true));
      }
    }
    return corrected;
  }

  #refoldPartial(i: number, start: number, closedEnd: number): void {
    this.#fold(i, start, closedEnd);
    this.#partials.set(this.#scratch, i * SLOT_SIZE);
    this.#starts[i] = start;
    this.#ends[i] = bucketEnd(LADDER[i] as Interval, start);
  }

  /** Folds the closed children of a bucket into the scratch slot. */
  #fold(i: number, start: number, closedEnd: number): void {
    clearSlot(this.#scratch, 0, start);
    const end = Math.min(bucketEnd(LADDER[i] as Interval, start), closedEnd);
    if (CHILD[i] === '1m') this.#foldChildren(this.#minutes, start, end, MINUTE_MS, -1);
    else if (CHILD[i] === '1h') this.#foldChildren(this.#hours, start, end, HOUR_MS, HOUR);
    else this.#foldChildren(this.#days, start, end, DAY_MS, DAY);
  }

  #foldChildren(ring: Ring, start: number, end: number, stepMs: number, partial: number): void {
    for (let child = start; child < end; child += stepMs) {
      if (partial >= 0 && child === this.#starts[partial]) {
        mergeLater(this.#scratch, 0, this.#partials, partial * SLOT_SIZE);
        continue;
      }
      const at = ring.find(child);
      if (at >= 0) mergeLater(this.#scratch, 0, ring.slots, at);
    }
  }

  /** The bucket that the minute `next` falls in, with the open minutes `next` to `newest` on top of what has closed. */
  open(interval: Interval, next: number, newest: number): Candle | null {
    const i = LADDER.indexOf(interval);
    const start = bucketStart(interval, next);
    const end = Math.min(bucketEnd(interval, start), newest + MINUTE_MS);
    clearSlot(this.#scratch, 0, start);
    if (this.#starts[i] === start) mergeLater(this.#scratch, 0, this.#partials, i * SLOT_SIZE);
    this.#foldChildren(this.#minutes, next, end, MINUTE_MS, -1);
    if (this.#scratch[FILLED] !== 1) return null;
    return toCandle(this.#scratch, 0, this.#symbol, interval, start, false);
  }

  /** The closed candles whose children are all held here, ascending. */
  closed(interval: Interval, closedThrough: number): Candle[] {
    const i = LADDER.indexOf(interval);
    const own = i === HOUR ? '1h' : i === DAY ? '1d' : (CHILD[i] as '1m' | '1h' | '1d');
    const ring = own === '1m' ? this.#minutes : own === '1h' ? this.#hours : this.#days;
    const candles: Candle[] = [];
    if (!Number.isFinite(ring.keptFrom)) return candles;
    const cut = ring.whole && !this.#olderStored[own] ? Number.NEGATIVE_INFINITY : ring.keptFrom;
    let start = bucketStart(interval, ring.keptFrom);
    if (start < cut) start = bucketEnd(interval, start);
    for (; bucketEnd(interval, start) <= closedThrough + MINUTE_MS; start = bucketEnd(interval, start)) {
      if (own === interval) this.#take(ring, start);
      else this.#fold(i, start, closedThrough + MINUTE_MS);
      if (this.#scratch[FILLED] === 1) {
        candles.push(toCandle(this.#scratch, 0, this.#symbol, interval, start, true));
      }
    }
    return candles;
  }

  #take(ring: Ring, start: number): void {
    const at = ring.find(start);
    if (at < 0) clearSlot(this.#scratch, 0, start);
    else this.#scratch.set(ring.slots.subarray(at, at + SLOT_SIZE));
  }
}

const NONE: Candle[] = [];

function fill(ring: Ring, candles: readonly Candle[], before: number): void {
  for (const candle of candles) {
    if (bucketEnd(candle.interval, candle.openTime) <= before) {
      fromCandle(ring.slots, ring.take(candle.openTime), candle);
    }
  }
}
