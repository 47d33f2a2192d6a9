import type { Clock } from '../kit/clock.js';
import type { Candle } from '../market/candle.js';
import { bucketBack, bucketStart, type Interval } from '../market/interval.js';
import { LIMITS } from '../wire/messages.js';
import type { Need, Rows, Stored, Wanted } from './answer.js';
import type { History } from './history.js';
import { isContinuous, maxSeq, mergeGaps } from './merge.js';
import { type Kept, MissedReads } from './missed.js';
import { type Published, RING_CANDLES } from './published.js';
import type { Outlet } from './topic.js';

/** The end of year 9999: later than any candle, and any database can write it. */
const FAR_MS = 253_402_300_799_000;

/** The newest stored seq of a symbol is that of one of its last minutes: corrections reach an hour back. */
const NEWEST_MINUTES = 64;

export interface StoredDeps {
  readonly history: History;
  readonly clock: Clock;
  readonly outlet: Outlet;
  readonly kept: Kept;
}

/** Reads of one channel from the store: few, and shared by all who need the same. */
export class StoredReads {
  readonly #missed: MissedReads;
  #older: { readonly limit: number; readonly again: boolean; readonly rows: Promise<Rows> } | null = null;

  constructor(
    readonly symbol: string,
    readonly interval: Interval,
    readonly deps: StoredDeps,
  ) {
    const load = (seq: number, live: Published, again: boolean) => this.#loadMissed(seq, live, again);
    this.#missed = new MissedReads(interval, deps.clock, deps.kept, load);
  }

  /** Lets go of what is kept. */
  drop(): void {
    this.#missed.drop();
  }

  /**
   * Reads what is needed into `stored`. Rejects with HistoryUnavailable.
   * @param again what was read did not suffice: find out how far the store is, not only how far these rows are.
   */
  async read(need: Need, wanted: Wanted, stored: Stored, live: Published, again: boolean): Promise<void> {
    if (need === 'older') stored.older = await this.#readOlder(wanted.snapshot ?? 0, live, again);
    else if (need === 'missed') stored.missed = await this.#missed.read(wanted.position?.seq ?? 0, live, again);
    else if (need === 'firstEpoch') stored.firstEpoch = await this.deps.history.firstEpoch();
  }

  #readOlder(count: number, live: Published, again: boolean): Promise<Rows> {
    const limit = count > RING_CANDLES ? LIMITS.snapshotCandles : RING_CANDLES;
    const under = this.#older;
    if (under && under.limit >= limit && under.again === again) return under.rows;
    const reading = { limit, again, rows: this.#loadOlder(limit, live, again) };
    this.#older = reading;
    const done = (): void => {
      if (this.#older === reading) this.#older = null;
    };
    reading.rows.then(done, done);
    return reading.rows;
  }

  async #loadOlder(limit: number, live: Published, again: boolean): Promise<Rows> {
    this.deps.outlet.stats.historyReads++;
    const { symbol, interval } = this;
    const { history } = this.deps;
    const until = closedUntil(live);
    const from = Math.max(0, bucketBack(interval, bucketStart(interval, until), limit));
    const known = again ? await this.#storedSeq() : 0;
    const near = await history.gaps(symbol, from, FAR_MS);
    const candles = asClosed(await history.before(symbol, interval, until, limit));
    const first = candles[0]?.openTime ?? from;
    const gaps = first < from ? mergeGaps(await history.gaps(symbol, first, from), near) : near;
    const rows = { candles, gaps, through: maxSeq(near, maxSeq(candles, known)) };
    if (live.joins(candles, rows.through) && joinsGapless(live, rows)) live.prepend(candles, gaps, limit);
    return rows;
  }

  async #loadMissed(seq: number, live: Published, again: boolean): Promise<Rows | 'lost'> {
    this.deps.outlet.stats.historyReads++;
    const { history } = this.deps;
    const known = again ? await this.#storedSeq() : seq;
    const gaps = await history.gapsSince(this.symbol, seq);
    const candles = await history.since(this.symbol, this.interval, seq, closedUntil(live));
    if (candles === null) return 'lost';
    return { candles: asClosed(candles), gaps, through: maxSeq(gaps, maxSeq(candles, known)) };
  }

  /** Up to where the store is complete. Read before the rows that are judged by it. */
  async #storedSeq(): Promise<number> {
    const { history } = this.deps;
    const minutes = await history.before(this.symbol, '1m', FAR_MS, NEWEST_MINUTES);
    const gaps = await history.gaps(this.symbol, minutes[0]?.openTime ?? 0, FAR_MS);
    return maxSeq(gaps, maxSeq(minutes, 0));
  }
}

/** Buckets from here on are open: the store may hold a part of them. */
function closedUntil(live: Published): number {
  return live.closedUntil() ?? live.open?.openTime ?? FAR_MS;
}

/** All that was asked for has closed, also where the store does not know it yet: a gap or a flat tail may have closed it. */
function asClosed(candles: readonly Candle[]): readonly Candle[] {
  return candles.map((candle) => (candle.closed ? candle : { ...candle, closed: true }));
}

function joinsGapless(live: Published, rows: Rows): boolean {
  const all = [...live.olderOf(rows.candles).slice(-1), ...live.closed.slice(0, 1)];
  return isContinuous(live.interval, all, [...rows.gaps, ...live.gaps]);
}
