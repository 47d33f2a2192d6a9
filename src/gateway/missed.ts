import type { Clock } from '../kit/clock.js';
import { bucketBack, bucketStart, type Interval } from '../market/interval.js';
import { nextSeq } from '../market/position.js';
import type { Rows } from './answer.js';
import { breathe } from './pause.js';
import type { Published } from './published.js';

/** Depths in candles to which reads are rounded up, so that clients that left at different moments share one. */
const DEPTHS = [256, 1024, 4096, 8192] as const;
/** How long rows are kept for those who come later, and how many candles, of all channels. */
const KEEP_MS = 15_000;
const KEPT_CANDLES = 200_000;

/** What all channels keep together. */
export interface Kept {
  candles: number;
}

type Load = (seq: number, live: Published, again: boolean) => Promise<Rows | 'lost'>;

interface Reading {
  from: number;
  readonly depth: number | null;
  readonly again: boolean;
  readonly rows: Promise<Rows | 'lost'>;
  started: boolean;
  /** Null until it is there. */
  result: Rows | 'lost' | null;
}

/**
 * What was missed since a position, read from the store. However many ask, at however many positions, in one turn or while
 * what was read is still good: one read serves them, from the oldest position, and each takes what is new to it.
 */
export class MissedReads {
  #readings: Reading[] = [];
  readonly #stops = new Set<() => void>();

  constructor(
    readonly interval: Interval,
    readonly clock: Clock,
    readonly kept: Kept,
    readonly load: Load,
  ) {}

  /** Everything durable since `seq`, and maybe since earlier. */
  async read(seq: number, live: Published, again: boolean): Promise<Rows | 'lost'> {
    const reading = this.#shared(seq, live, again) ?? this.#start(seq, this.#depth(seq, live), live, again);
    const rows = await reading.rows;
    // Further back than was asked for there may be too much, or nothing is kept.
    return rows === 'lost' && reading.from < seq ? await this.load(seq, live, again) : rows;
  }

  drop(): void {
    for (const stop of this.#stops) stop();
  }

  #shared(seq: number, live: Published, again: boolean): Reading | undefined {
    const depth = this.#depth(seq, live);
    const gathering = this.#readings.find((one) => !one.started && one.again === again && one.depth === depth);
    if (gathering) gathering.from = Math.min(gathering.from, seq);
    return gathering ?? this.#readings.find((one) => one.from <= seq && isGood(one, live, again));
  }

  #start(seq: number, depth: number | null, live: Published, again: boolean): Reading {
    const from = depth === null ? seq : Math.min(seq, this.#startOf(depth, live));
    const reading: Reading = { from, depth, again, started: false, result: null, rows: breathe().then(() => run()) };
    const run = async (): Promise<Rows | 'lost'> => {
      reading.started = true;
      return await this.load(reading.from, live, again);
    };
    this.#readings.push(reading);
    const forget = (): void => {
      this.#readings = this.#readings.filter((other) => other !== reading);
    };
    reading.rows.then((rows) => this.#keep(reading, rows, forget), forget);
    return reading;
  }

  #keep(reading: Reading, rows: Rows | 'lost', forget: () => void): void {
    reading.result = rows;
    const size = rows === 'lost' ? 0 : rows.candles.length;
    if (rows === 'lost' || reading.again || this.kept.candles + size > KEPT_CANDLES) {
      forget();
      return;
    }
    this.kept.candles += size;
    const stop = (): void => {
      cancel();
      this.#stops.delete(stop);
      this.kept.candles -= size;
      forget();
    };
    const cancel = this.clock.after(KEEP_MS, stop);
    this.#stops.add(stop);
  }

  /** null: deeper than any. */
  #depth(seq: number, live: Published): number | null {
    return DEPTHS.find((depth) => this.#startOf(depth, live) <= seq) ?? null;
  }

  #startOf(depth: number, live: Published): number {
    const until = live.closedUntil();
    if (until === null) return Number.POSITIVE_INFINITY;
    return nextSeq(0, Math.max(0, bucketBack(this.interval, bucketStart(this.interval, until), depth)));
  }
}

/** Under way, or still joining what is in memory. */
function isGood({ result, again }: Reading, live: Published, wantedAgain: boolean): boolean {
  if (result === null) return again === wantedAgain;
  return result !== 'lost' && !wantedAgain && live.joins(result.candles, result.through);
}
