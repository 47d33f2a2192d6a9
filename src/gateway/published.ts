import { type Candle, type Gap, REVISION_HORIZON_MS } from '../market/candle.js';
import type { HotWindow, MarketEvent } from '../market/event.js';
import { bucketEnd, type Interval } from '../market/interval.js';
import { nextSeq } from '../market/position.js';
import { findByOpenTime, mergeGaps } from './merge.js';

/** Closed candles a channel keeps in memory. */
export const RING_CANDLES = 500;

/**
 * `known`: changes nothing. `outdated`: of a writer that has been replaced. `hole`: something durable before the event is
 * missing. Only `applied` has changed anything but the epoch.
 */
export type Applied = 'applied' | 'known' | 'outdated' | 'hole';

/** The published state of one (symbol, interval) as the gateway follows it: latest closed candles, open one, gaps. */
export class Published {
  /** Of the newest writer heard of whose events go on from here. */
  epoch: number;
  readonly interval: Interval;
  seq: number;
  open: Candle | null;
  /** Ascending by openTime. */
  readonly closed: Candle[];
  gaps: Gap[];
  /** Every durable event with a larger seq is reflected in `closed` and `gaps`. */
  knownSince: number;
  /** `closed` starts with the first candle the symbol ever had. */
  whole = false;
  /** Changes with every change of the rest. */
  version = 0;

  constructor(interval: Interval, window: HotWindow) {
    this.interval = interval;
    this.epoch = window.epoch;
    this.seq = window.seq;
    this.open = window.open;
    this.closed = window.closed.slice(-RING_CANDLES);
    this.gaps = [...window.gaps];
    const oldest = this.closed[0];
    // Once the minutes before oldest + horizon are past, no event can change a candle older than `oldest`.
    this.knownSince = oldest ? Math.min(window.seq, nextSeq(0, oldest.openTime + REVISION_HORIZON_MS) - 1) : window.seq;
  }

  /** A new writer starts from what the one before has published: where its first event does not join, something is missing. */
  apply(event: MarketEvent): Applied {
    if (event.epoch < this.epoch) return 'outdated';
    const isBehind = event.kind === 'update' ? event.seq < this.seq : event.seq <= this.seq;
    if (isBehind) return event.epoch > this.epoch ? 'hole' : 'known';
    if ((event.kind === 'update' ? event.seq : event.prev) !== this.seq) return 'hole';
    this.adopt(event.epoch);
    if (event.kind === 'update') return this.#update(event.candle);
    this.version++;
    this.seq = event.seq;
    if (event.kind === 'gap') this.gaps.push(event.gap);
    else this.#closed(event.candle.seq < event.seq ? { ...event.candle, seq: event.seq } : event.candle);
    return 'applied';
  }

  /** From now on events of an older epoch are outdated. */
  adopt(epoch: number): void {
    if (epoch <= this.epoch) return;
    this.epoch = epoch;
    this.version++;
  }

  /** Exclusive end of the closed candles, epoch ms; null while there is none. */
  closedUntil(): number | null {
    const last = this.closed.at(-1);
    return last ? bucketEnd(this.interval, last.openTime) : null;
  }

  /** Whether everything durable after `seq` is in memory. */
  covers(seq: number): boolean {
    return seq >= this.knownSince;
  }

  /** The last `count` closed candles in memory. */
  latest(count: number): readonly Candle[] {
    return count === 0 ? [] : this.closed.slice(-count);
  }

  /**
   * Whether rows of a store that holds everything up to `through` and memory together are exactly what was published:
   * the store has not fallen behind what memory forgot, nor are the rows ahead of what was published.
   */
  joins(rows: readonly Candle[], through: number): boolean {
    return this.covers(through) && rows.every((row) => row.seq <= this.seq);
  }

  /** Stored candles that are older than memory. */
  olderOf(rows: readonly Candle[]): readonly Candle[] {
    const oldest = this.closed[0]?.openTime;
    return oldest === undefined ? rows : rows.filter((row) => row.openTime < oldest);
  }

  /** Puts stored candles (all there are, up to `limit`) in front, as far as there is room. They must join. */
  prepend(rows: readonly Candle[], gaps: readonly Gap[], limit: number): void {
    const older = this.olderOf(rows);
    const room = RING_CANDLES - this.closed.length;
    if (room > 0) this.closed.unshift(...older.slice(-room));
    const published = gaps.filter((gap) => gap.seq <= this.seq);
    this.gaps = mergeGaps(published, this.gaps);
    this.whole = rows.length < limit && older.length <= room;
    this.version++;
  }

  #update(candle: Candle): Applied {
    if (candle.openTime < (this.closedUntil() ?? 0)) return 'known';
    this.version++;
    this.open = candle;
    return 'applied';
  }

  #closed(candle: Candle): void {
    const last = this.closed.at(-1);
    if (last === undefined || candle.openTime > last.openTime) this.#append(candle);
    else this.#correct(candle);
  }

  #append(candle: Candle): void {
    this.closed.push(candle);
    if (this.open && this.open.openTime <= candle.openTime) this.open = null;
    if (this.closed.length <= RING_CANDLES) return;
    const evicted = this.closed.shift();
    this.whole = false;
    if (evicted) this.#forget(evicted);
  }

  #correct(candle: Candle): void {
    const index = findByOpenTime(this.closed, candle.openTime);
    if (this.closed[index]?.openTime === candle.openTime) this.closed[index] = candle;
    else this.knownSince = Math.max(this.knownSince, candle.seq);
  }

  #forget(evicted: Candle): void {
    this.knownSince = Math.max(this.knownSince, evicted.seq);
    if (this.gaps.length === 0) return;
    const from = this.closed[0]?.openTime ?? 0;
    for (const gap of this.gaps) if (gap.to <= from) this.knownSince = Math.max(this.knownSince, gap.seq);
    this.gaps = this.gaps.filter((gap) => gap.to > from);
  }
}
