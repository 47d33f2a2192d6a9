import type { Interval } from '../market/interval.js';
import { LIMITS } from '../wire/messages.js';
import type { Need, Rows, Stored, Wanted } from './answer.js';
import type { History } from './history.js';
import { isContinuous, maxSeq } from './merge.js';
import { type Published, RING_CANDLES } from './published.js';
import type { GatewayStats } from './stats.js';

/** The end of year 9999: later than any candle, and any database can write it. */
const FAR_MS = 253_402_300_799_000;

/** Reads of one channel from the store: few, and shared by all who need the same. */
export class StoredReads {
  #older: { readonly limit: number; readonly rows: Promise<Rows> } | null = null;

  constructor(
    readonly symbol: string,
    readonly interval: Interval,
    readonly history: History,
    readonly stats: GatewayStats,
  ) {}

  /** Reads what is needed into `stored`. Rejects with HistoryUnavailable. */
  async read(need: Need, wanted: Wanted, stored: Stored, live: Published): Promise<void> {
    if (need === 'older') stored.older = await this.#readOlder(wanted.snapshot ?? 0, live);
    else if (need === 'missed') stored.missed = await this.#readMissed(wanted.position?.seq ?? 0, live);
    else stored.firstEpoch = await this.history.firstEpoch();
  }

  #readOlder(count: number, live: Published): Promise<Rows> {
    const limit = count > RING_CANDLES ? LIMITS.snapshotCandles : RING_CANDLES;
    if (this.#older && this.#older.limit >= limit) return this.#older.rows;
    const reading = { limit, rows: this.#loadOlder(limit, live) };
    this.#older = reading;
    const done = (): void => {
      if (this.#older === reading) this.#older = null;
    };
    reading.rows.then(done, done);
    return reading.rows;
  }

  async #loadOlder(limit: number, live: Published): Promise<Rows> {
    this.stats.historyReads++;
    const candles = await this.history.before(this.symbol, this.interval, closedUntil(live), limit);
    const first = candles[0];
    const gaps = first ? await this.history.gaps(this.symbol, first.openTime, FAR_MS) : [];
    if (live.joins(maxSeq(candles, 0)) && joinsGapless(live, { candles, gaps })) live.prepend(candles, gaps, limit);
    return { candles, gaps };
  }

  async #readMissed(seq: number, live: Published): Promise<Rows | 'lost'> {
    this.stats.historyReads++;
    const candles = await this.history.since(this.symbol, this.interval, seq, closedUntil(live));
    if (candles === null) return 'lost';
    return { candles, gaps: await this.history.gapsSince(this.symbol, seq) };
  }
}

/** Buckets from here on are open: the store may hold a part of them. */
function closedUntil(live: Published): number {
  return live.closedUntil() ?? live.open?.openTime ?? FAR_MS;
}

function joinsGapless(live: Published, rows: Rows): boolean {
  const all = [...live.olderOf(rows.candles).slice(-1), ...live.closed.slice(0, 1)];
  return isContinuous(live.interval, all, [...rows.gaps, ...live.gaps]);
}
