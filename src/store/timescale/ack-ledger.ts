import type { Clock } from '../../kit/clock.js';
import type { SpoolBatch } from '../spool/spool-reader.js';
import { DirtyHours, type Stretch } from './dirty-hours.js';

type Written = Pick<SpoolBatch, 'end' | 'lastTime'>;

/** The continuous aggregates over `ohlcv`. */
export interface Aggregates {
  /** Epoch ms: rows before it are read from what is materialised, not from the table. */
  watermark(): Promise<number>;
  /** Makes changed rows of [fromMs, toMs) visible at every level. */
  refresh(fromMs: number, toMs: number): Promise<void>;
}

/** While a backlog drains, refreshes wait this long for more changes to share them. */
const REFRESH_AFTER_MS = 5000;

/**
 * Which written batches may be acknowledged: those whose rows are visible at every interval. Rows below the aggregates'
 * watermark are not, until their hours are refreshed; so a crash before that delivers them, and the refresh, again.
 */
export class AckLedger {
  #dirty = new DirtyHours();
  #dirtySince = 0;
  #waiting: { last: Written; records: number } | null = null;

  constructor(
    readonly clock: Clock,
    readonly ack: (written: Written, records: number) => void,
  ) {}

  /** A batch is in the table; `dirtyTimes` are the open times (epoch ms) of its rows below the watermark. */
  wrote(last: Written, records: number, dirtyTimes: readonly number[]): void {
    if (this.#dirty.size === 0) this.#dirtySince = this.clock.now();
    for (const time of dirtyTimes) this.#dirty.add(time);
    this.#waiting = { last, records: (this.#waiting?.records ?? 0) + records };
    if (this.#dirty.size === 0) this.#flush();
  }

  /** Stretches to refresh now. */
  due(idle: boolean): Stretch[] {
    if (this.#dirty.size === 0) return [];
    return idle || this.clock.now() - this.#dirtySince >= REFRESH_AFTER_MS ? this.#dirty.stretches() : [];
  }

  refreshed(stretch: Stretch): void {
    this.#dirty.remove(stretch);
    if (this.#dirty.size === 0) this.#flush();
  }

  #flush(): void {
    if (this.#waiting !== null) this.ack(this.#waiting.last, this.#waiting.records);
    this.#waiting = null;
  }
}
