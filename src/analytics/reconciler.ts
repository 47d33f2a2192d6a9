import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { Service } from '../kit/service.js';
import { bucketStart, DAY_MS, HOUR_MS } from '../market/interval.js';
import { compareDays, repair } from './copy.js';
import type { AnalyticsDatabase } from './database.js';
import { type Difference, ofAggregate, ofDay } from './differences.js';
import { type Part, wholeBuckets } from './explain.js';
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
  /** Of the time, that it may work. Default 0.1: it shares the store with the live path. */
  readonly share?: number;
}

/** What is compared, bounded. */
export const COMPARED_TABLES = ['ohlcv_5m', 'ohlcv_1h', 'ohlcv_1d', 'ohlcv_1w', 'ohlcv_1mon', 'daily_ohlcv'] as const;

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
    this.#pace = new Pace(options.clock, options.share ?? SHARE);
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

  /** By table: what differed when it was last compared and is not put right yet, or cannot be. */
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
    const spans = new Map<string, Stretch>();
    for (const symbol of await source.symbols('', SYMBOLS_MAX)) {
      const span = await source.span(symbol);
      const to = Math.min(until, (span?.last ?? 0) + DAY_MS);
      spans.set(symbol, span === null ? { from: until, to: until } : { from: Math.min(span.first, to), to });
      await this.#pace.rest();
    }
    const looked = new Set<string>();
    for (const bite of bites(spans, until)) {
      await this.#bite(bite);
      looked.add(keyOf(bite));
      this.stats.bites++;
      await this.#pace.rest();
    }
    // Stretches move with the days.
    for (const key of this.#unrepaired.keys()) if (!looked.has(key)) this.#unrepaired.delete(key);
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
    if ((await this.#look(bite)).differences.length === 0) return this.#settle(bite, []);
    await this.#pace.sleep(confirmMs);
    const { differences, putRight } = await this.#look(bite);
    // Before it is put right: that may fail.
    this.#settle(bite, differences);
    if (differences.length === 0) return;
    this.#tell(differences);
    await putRight();
    this.#settle(bite, (await this.#look(bite)).differences);
  }

  #settle(bite: Bite, differences: readonly Difference[]): void {
    if (differences.length > 0) this.#unrepaired.set(keyOf(bite), differences);
    else this.#unrepaired.delete(keyOf(bite));
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
 * First what is outside of the days that the store has. Then month by month, the newest first: of each symbol what is shorter than a
 * day, and then what is made of its days.
 */
function* bites(spans: ReadonlyMap<string, Stretch>, until: number): Generator<Bite> {
  for (const [symbol, { from, to }] of spans) {
    yield { symbol, part: 'daily', stretch: { from: 0, to: from } };
    yield { symbol, part: 'daily', stretch: { from: to, to: until } };
  }
  const oldest = Math.min(...[...spans.values()].map(({ from }) => from));
  const newest = Math.max(...[...spans.values()].map(({ to }) => to));
  for (let to = newest; to > oldest; to = bucketStart('1M', to - 1)) {
    const month = { from: bucketStart('1M', to - 1), to };
    for (const [symbol, span] of spans) yield* bitesOfMonth(symbol, common(span, month));
  }
}

function keyOf({ symbol, part, stretch }: Bite): string {
  return `${symbol} ${part} ${stretch.from}`;
}

function* bitesOfMonth(symbol: string, stretch: Stretch): Generator<Bite> {
  if (stretch.from >= stretch.to) return;
  for (let to = stretch.to; to > stretch.from; to -= DAY_MS)
    yield { symbol, part: 'short', stretch: { from: to - DAY_MS, to } };
  for (const part of ['weeks', 'months'] as const) yield { symbol, part, stretch: wholeBuckets(part, stretch) };
  yield { symbol, part: 'daily', stretch };
}

function common(a: Stretch, b: Stretch): Stretch {
  return { from: Math.max(a.from, b.from), to: Math.min(a.to, b.to) };
}
