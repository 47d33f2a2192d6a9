import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { Service } from '../kit/service.js';
import { bucketStart, DAY_MS, HOUR_MS } from '../market/interval.js';
import { type Bite, bites, keyOf } from './bites.js';
import { compareDays, repair } from './copy.js';
import type { AnalyticsDatabase } from './database.js';
import { type Difference, ofAggregate, ofDay } from './differences.js';
import { Pace, PaceStopped } from './pace.js';
import type { Aggregates, DaySource, Stretch } from './source.js';

export interface ReconcilerOptions {
  readonly source: DaySource;
  readonly aggregates: Aggregates;
  readonly database: AnalyticsDatabase;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether the filler has been over everything: until then days are missing and not different, and only aggregates are compared. */
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
type Subject = 'symbols' | 'aggregates' | 'days';

/**
 * Compares the minutes with their aggregates, and the days with `daily_ohlcv`, symbol by symbol, the newest stretch of all first, for
 * ever, and puts right what differs.
 */
export class Reconciler implements Service {
  readonly name = 'analytics reconciler';
  /** By table: differences that were found and confirmed. */
  readonly found: Counts = Object.fromEntries(COMPARED_TABLES.map((table) => [table, 0]));
  /** `rounds` are those in which everything was compared. */
  readonly stats = { bites: 0, rounds: 0, failures: 0 };
  readonly #options: ReconcilerOptions;
  readonly #pace: Pace;
  readonly #unrepaired = new Map<string, readonly Difference[]>();
  /** What could not be compared when it was last tried. */
  readonly #troubled = new Set<Subject>();
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

  /** Everything once. What fails is counted and left for the next round. @throws what the source throws when it names no symbols */
  async round(): Promise<void> {
    const until = bucketStart('1d', this.#options.clock.now() - YOUNG_MS);
    const failed = new Set<Subject>();
    const { spans, unknown } = await this.#spans(until, failed);
    const isFilled = this.#options.filled();
    const looked = new Set<string>();
    for (const bite of bites(spans, until)) {
      if (bite.part === 'daily' && !isFilled) continue;
      looked.add(keyOf(bite));
      await this.#attempt(bite.part === 'daily' ? 'days' : 'aggregates', failed, async () => {
        await this.#bite(bite);
        this.stats.bites++;
      });
      await this.#pace.rest();
    }
    // Stretches move with the days.
    for (const [key, [first]] of this.#unrepaired)
      if (!looked.has(key) && !unknown.has(first?.symbol ?? '')) this.#unrepaired.delete(key);
    this.#settleTrouble(failed);
    if (isFilled && failed.size === 0) this.stats.rounds++;
  }

  async #run(): Promise<void> {
    for (;;) {
      await this.#pace.sleep(IDLE_MS);
      await this.#attempt('symbols', new Set(), () => this.round());
    }
  }

  /** From the first day to the last of each symbol. */
  async #spans(until: number, failed: Set<Subject>): Promise<{ spans: Map<string, Stretch>; unknown: Set<string> }> {
    const { source } = this.#options;
    const spans = new Map<string, Stretch>();
    const unknown = new Set<string>();
    for (const symbol of await source.symbols('', SYMBOLS_MAX)) {
      unknown.add(symbol);
      await this.#attempt('symbols', failed, async () => {
        const span = await source.span(symbol);
        const to = Math.min(until, (span?.last ?? 0) + DAY_MS);
        spans.set(symbol, span === null ? { from: until, to: until } : { from: Math.min(span.first, to), to });
        unknown.delete(symbol);
      });
      await this.#pace.rest();
    }
    return { spans, unknown };
  }

  /** What fails does not keep the rest from being compared. Said once, until it goes again. */
  async #attempt(what: Subject, failed: Set<Subject>, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof PaceStopped) throw error;
      this.stats.failures++;
      failed.add(what);
      if (!this.#troubled.has(what))
        this.#options.log.warn(
          { what, err: error },
          'candles cannot be compared, or put right, at present; it is tried again',
        );
      this.#troubled.add(what);
    }
  }

  #settleTrouble(failed: ReadonlySet<Subject>): void {
    for (const what of this.#troubled) {
      if (failed.has(what)) continue;
      this.#troubled.delete(what);
      this.#options.log.info({ what }, 'candles are compared again');
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
