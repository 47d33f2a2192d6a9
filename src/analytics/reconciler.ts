import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { Service } from '../kit/service.js';
import { bucketEnd, bucketStart, DAY_MS, HOUR_MS } from '../market/interval.js';
import { compareDays, repair } from './copy.js';
import type { AnalyticsDatabase } from './database.js';
import { type Difference, ofAggregate, ofDay } from './differences.js';
import { type Part, wholeBuckets } from './look.js';
import { Pace, PaceStopped } from './pace.js';
import type { Aggregates, DaySource, Stretch } from './source.js';

export interface ReconcilerOptions {
  readonly source: DaySource;
  readonly aggregates: Aggregates;
  readonly database: AnalyticsDatabase;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether the filler has been over everything: until then days are missing and not different. */
  readonly filled: () => boolean;
  /** What is about to be refreshed or copied is not different yet: a difference counts when it is there so long after. Default 5 s. */
  readonly confirmMs?: number;
}

/** What is compared, bounded. */
export const COMPARED_TABLES = ['ohlcv_5m', 'ohlcv_1h', 'ohlcv_1d', 'ohlcv_1w', 'ohlcv_1mon', 'daily_ohlcv'] as const;

/** Of the time of the store, which it shares with the live path. */
const SHARE = 0.1;
const CONFIRM_MS = 5000;
const IDLE_MS = 60_000;
/** The filler's: a day that has just closed. */
const YOUNG_MS = HOUR_MS;
const SYMBOLS_MAX = 100_000;

type Counts = Record<string, number>;

/** A piece of work: one symbol over one stretch. */
interface Bite {
  readonly symbol: string;
  readonly part: Part | 'daily';
  readonly stretch: Stretch;
}

/**
 * Compares the minutes with their aggregates, and the days with `daily_ohlcv`, symbol by symbol, the newest stretch of all first, for
 * ever, and puts right what differs.
 */
export class Reconciler implements Service {
  readonly name = 'analytics reconciler';
  /** By table: differences that were found and confirmed, and rounds. */
  readonly found: Counts = Object.fromEntries(COMPARED_TABLES.map((table) => [table, 0]));
  readonly stats = { bites: 0, rounds: 0, failures: 0 };
  readonly #options: ReconcilerOptions;
  readonly #pace: Pace;
  readonly #unrepaired = new Map<string, readonly Difference[]>();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#pace = new Pace(options.clock, SHARE);
  }

  async start(): Promise<void> {
    this.#loop = this.#run().catch((error: unknown) => {
      if (!(error instanceof PaceStopped)) throw error;
    });
  }

  async stop(): Promise<void> {
    this.#pace.stop();
    await this.#loop;
  }

  /** By table: what differed when it was last compared and could not be put right. */
  get differing(): Counts {
    const counts: Counts = Object.fromEntries(COMPARED_TABLES.map((table) => [table, 0]));
    for (const differences of this.#unrepaired.values())
      for (const { table } of differences) counts[table] = (counts[table] ?? 0) + 1;
    return counts;
  }

  /** Everything once. @throws what the source or the database throws */
  async round(): Promise<void> {
    const { source, clock } = this.#options;
    const until = bucketStart('1d', clock.now() - YOUNG_MS);
    const firsts = new Map<string, number>();
    for (const symbol of await source.symbols('', SYMBOLS_MAX)) {
      const first = await source.firstDay(symbol);
      if (first !== null) firsts.set(symbol, first);
      await this.#pace.rest();
    }
    for (const bite of bites(firsts, until)) {
      await this.#bite(bite);
      this.stats.bites++;
      await this.#pace.rest();
    }
    this.stats.rounds++;
  }

  async #run(): Promise<void> {
    for (;;) {
      await this.#pace.sleep(IDLE_MS);
      if (!this.#options.filled()) continue;
      try {
        await this.round();
      } catch (error) {
        if (error instanceof PaceStopped) throw error;
        this.stats.failures++;
        this.#options.log.debug({ err: error }, 'candles could not be compared; it is tried again');
      }
    }
  }

  async #bite(bite: Bite): Promise<void> {
    const { confirmMs = CONFIRM_MS } = this.#options;
    const key = `${bite.symbol} ${bite.part} ${bite.stretch.from}`;
    this.#unrepaired.delete(key);
    if ((await this.#look(bite)).differences.length === 0) return;
    await this.#pace.sleep(confirmMs);
    const { differences, putRight } = await this.#look(bite);
    if (differences.length === 0) return;
    this.#tell(differences);
    await putRight();
    const left = (await this.#look(bite)).differences;
    if (left.length > 0) this.#unrepaired.set(key, left);
  }

  async #look({ symbol, part, stretch }: Bite): Promise<{ differences: Difference[]; putRight: () => Promise<void> }> {
    const { source, aggregates, database } = this.#options;
    if (part === 'daily') {
      const { differences } = await compareDays(source, database, [symbol], stretch);
      return { differences: differences.map(ofDay), putRight: () => repair(database, differences) };
    }
    const differences = await aggregates.compare(part, symbol, stretch.from, stretch.to);
    return {
      differences: differences.map((difference) => ofAggregate(symbol, difference)),
      putRight: () => aggregates.refresh(stretch.from, stretch.to),
    };
  }

  #tell(differences: readonly Difference[]): void {
    for (const { table } of differences) this.found[table] = (this.found[table] ?? 0) + 1;
    const [{ table, symbol, time, reason } = { table: '', symbol: '', time: '', reason: '' }] = differences;
    this.#options.log.warn(
      { count: differences.length, first: { table, symbol, time, reason } },
      'candles differ from what they are made of; they are put right',
    );
  }
}

/**
 * Year by year, the newest first; of each year first the days of every symbol, then its weeks and months, then day by day what is
 * shorter.
 */
function* bites(firsts: ReadonlyMap<string, number>, until: number): Generator<Bite> {
  const oldest = Math.min(...firsts.values());
  for (let to = until; to > oldest; to = yearStart(to - DAY_MS)) {
    const year = { from: yearStart(to - DAY_MS), to };
    const alive = [...firsts].filter(([, first]) => first < to);
    for (const [symbol, first] of alive) {
      const stretch = { from: Math.max(year.from, first), to };
      yield { symbol, part: 'daily', stretch };
      for (const part of ['weeks', 'months'] as const) yield { symbol, part, stretch: wholeBuckets(part, stretch) };
    }
    for (let day = to - DAY_MS; day >= year.from; day -= DAY_MS) {
      const stretch = { from: day, to: bucketEnd('1d', day) };
      for (const [symbol, first] of alive) if (first < stretch.to) yield { symbol, part: 'short', stretch };
    }
  }
}

function yearStart(timeMs: number): number {
  return Date.UTC(new Date(timeMs).getUTCFullYear(), 0, 1);
}
