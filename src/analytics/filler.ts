import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { Service } from '../kit/service.js';
import { bucketStart, DAY_MS } from '../market/interval.js';
import { compareDays, repair, SLICE_SYMBOLS } from './copy.js';
import type { AnalyticsDatabase } from './database.js';
import { Pace, PaceStopped } from './pace.js';
import type { DaySource, Stretch } from './source.js';

export interface FillerOptions {
  readonly source: DaySource;
  readonly database: AnalyticsDatabase;
  /** How long after its end a day closes. */
  readonly graceMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** A start has better things to do first, and the embedded engine is big. */
const FIRST_PASS_DELAY_MS = 30_000;
const PERIOD_MS = 60_000;
/** Revisions reach 60 minutes back: yesterday changes for a while without being noted as changed. */
const FORWARD_PERIOD_MS = 15 * PERIOD_MS;
/** These last days are compared again whenever it goes forward. */
const RECENT_DAYS = 2;
/** Of the time of the store, which it shares with the live path. */
const SHARE = 0.25;
const CHANGED_DAYS_AT_ONCE = 30;
const SYMBOLS_AT_ONCE = 1000;

const ENDS = `
  SELECT symbol, toRelativeDayNum(min(date)) AS first, toRelativeDayNum(max(date)) AS last
  FROM daily_ohlcv FINAL GROUP BY symbol`;
const ENDS_ROWS_MAX = 1_000_000;

/** Numbers of days since the Unix epoch. */
interface Ends {
  readonly symbol: string;
  readonly first: number;
  readonly last: number;
}

/**
 * Copies each complete UTC day into `daily_ohlcv`: what is missing after the newest day of every symbol, and days that changed. It
 * compares before it writes, so that it may be run any number of times, and oldest first, so that it may be cut short anywhere.
 */
export class Filler implements Service {
  readonly name = 'analytics filler';
  readonly stats = { rowsWritten: 0, failures: 0, passes: 0 };
  /** Days before it are copied, epoch ms; null before the first pass. */
  filledUntil: number | null = null;
  readonly #options: FillerOptions;
  readonly #pace: Pace;
  #loop: Promise<void> = Promise.resolve();
  #forwardAt = 0;
  #troubled = false;

  constructor(options: FillerOptions) {
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

  /** One look at everything that may be due. @throws AnalyticsUnavailable, or what the source throws */
  async pass(): Promise<void> {
    const { clock, graceMs } = this.#options;
    const until = bucketStart('1d', clock.now() - graceMs);
    if (this.filledUntil !== until || clock.now() >= this.#forwardAt) {
      await this.#forward(until);
      this.filledUntil = until;
      this.#forwardAt = clock.now() + FORWARD_PERIOD_MS;
    }
    await this.#changed(until);
    this.stats.passes++;
  }

  async #run(): Promise<void> {
    await this.#pace.sleep(FIRST_PASS_DELAY_MS);
    for (;;) {
      await this.#attempt();
      await this.#pace.sleep(PERIOD_MS);
    }
  }

  async #attempt(): Promise<void> {
    const { log } = this.#options;
    try {
      await this.pass();
      if (this.#troubled) log.info({}, 'daily candles are copied into ClickHouse again');
      this.#troubled = false;
    } catch (error) {
      if (error instanceof PaceStopped) throw error;
      this.stats.failures++;
      if (!this.#troubled)
        log.warn(
          { error: error instanceof Error ? error.message : String(error) },
          'daily candles are not copied into ClickHouse at present; it is tried again',
        );
      this.#troubled = true;
    }
  }

  /** Days of the past in which minutes were written or corrected. */
  async #changed(until: number): Promise<void> {
    const { source } = this.#options;
    for (;;) {
      const changed = await source.changed(until, CHANGED_DAYS_AT_ONCE);
      if (changed.length === 0) return;
      for (const day of changed) {
        for await (const symbols of this.#symbols())
          for (const slice of slices(symbols)) await this.#copy(slice, { from: day.day, to: day.day + DAY_MS });
        await source.settle(day);
      }
    }
  }

  /** From the newest days of each symbol on. */
  async #forward(until: number): Promise<void> {
    const rows = await this.#options.database.rows<Ends>(ENDS, {}, { rows: ENDS_ROWS_MAX });
    const ends = new Map(rows.map((row) => [row.symbol, row]));
    for await (const symbols of this.#symbols()) {
      const byStart = new Map<number, string[]>();
      for (const symbol of symbols) {
        const from = await this.#startOf(symbol, ends.get(symbol));
        byStart.set(from, [...(byStart.get(from) ?? []), symbol]);
      }
      for (const [from, some] of byStart)
        for (const slice of slices(some)) await this.#copy(slice, { from, to: until });
    }
  }

  /** Where copying goes on. What is there may begin in the middle, by a rebuild of a part: that is looked at once. */
  async #startOf(symbol: string, ends: Ends | undefined): Promise<number> {
    if (ends === undefined) return 0;
    if (this.filledUntil === null) {
      const span = await this.#options.source.span(symbol);
      await this.#pace.rest();
      if (span !== null && span.first < ends.first * DAY_MS) return 0;
    }
    return Math.max(0, (ends.last + 1 - RECENT_DAYS) * DAY_MS);
  }

  async #copy(symbols: readonly string[], stretch: Stretch): Promise<void> {
    if (stretch.from >= stretch.to) return;
    const { source, database } = this.#options;
    const { differences } = await compareDays(source, database, symbols, stretch, () => this.#pace.rest());
    await repair(database, differences);
    this.stats.rowsWritten += differences.length;
  }

  async *#symbols(): AsyncGenerator<string[]> {
    for (let after = ''; ; ) {
      const symbols = await this.#options.source.symbols(after, SYMBOLS_AT_ONCE);
      if (symbols.length > 0) yield symbols;
      if (symbols.length < SYMBOLS_AT_ONCE) return;
      after = symbols.at(-1) ?? '';
    }
  }
}

function* slices(symbols: readonly string[]): Generator<readonly string[]> {
  for (let i = 0; i < symbols.length; i += SLICE_SYMBOLS) yield symbols.slice(i, i + SLICE_SYMBOLS);
}
