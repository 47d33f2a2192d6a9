import type { Clock } from '../../kit/clock.js';
import type { Log } from '../../kit/log.js';
import type { Service } from '../../kit/service.js';
import { noTracer, type Tracer } from '../../kit/tracer.js';
import { DAY_MS, HOUR_MS, type Interval } from '../../market/interval.js';
import type { Entitlements } from '../../wire/identity.js';
import { newSignalId } from '../ids.js';
import type { SignalSink } from '../store.js';
import type { ClosedCandles, ClosedEvent, GapEvent } from './closed-candles.js';
import type { Firings, Outcome } from './firings.js';
import { Recorder, type Withheld } from './recorder.js';
import { Slices } from './slices.js';
import type { RuleStore, StoredRule } from './store.js';
import { type SeriesDeps, TrackedSeries } from './tracked-series.js';

export interface RunnerOptions {
  readonly rules: RuleStore;
  readonly firings: Firings;
  readonly candles: ClosedCandles;
  readonly sink: SignalSink;
  /** Whether this process evaluates the rules on a symbol. Asked anew with every look at the rules. */
  owns(symbol: string): boolean;
  /** What the plans of these users give, of those that are there. */
  entitlements(userIds: readonly string[]): Promise<ReadonlyMap<string, Entitlements>>;
  readonly clock: Clock;
  readonly log: Log;
  /** Default: none. */
  readonly tracer?: Tracer;
  /** How often changed rules and symbols are looked for. Default 1 s. */
  readonly pollMs?: number;
}

const POLL_MS = 1000;
/** Channels are compared with what arrived at every so many looks. */
const COMPARE_EVERY = 5;
/** Series that read history at the same time. */
const LOADING_LIMIT = 8;
const KEEP_VERDICTS_MS = 2 * DAY_MS;

/**
 * Evaluates the rules on the symbols that this process owns, once for each closed candle: from where the last owner
 * stopped, as `rule_progress` tells. What it writes moves that along in the same statement, so that of two owners only one
 * succeeds, and whoever fails begins anew from what is stored. While the database or the bus is away nothing is lost: what closed
 * meanwhile is read from history.
 */
export class RuleRunner implements Service {
  readonly name = 'rules';
  /** Since the start. `candles`: closes and corrections evaluated. */
  readonly stats = { candles: 0, fired: 0, withdrawn: 0, failed: 0 };
  readonly #options: RunnerOptions;
  readonly #recorder: Recorder;
  readonly #deps: SeriesDeps;
  readonly #series = new Map<string, TrackedSeries>();
  /** Versions of the rules in memory, by symbol; 0: they are to be read again. */
  readonly #versions = new Map<string, number>();
  readonly #loading = new Set<Promise<void>>();
  readonly #stops: (() => void)[] = [];
  #looks = 0;
  #lookDue = true;
  #pruneDue = false;
  #wake: () => void = () => {};
  #running: Promise<void> | null = null;
  #stopped = false;
  readonly #failing = new Set<string>();

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#recorder = new Recorder(options);
    const slices = new Slices(options.clock);
    const { candles, firings } = options;
    this.#deps = { candles, firings, newId: newSignalId, inSlices: (work) => slices.run(work) };
  }

  async start(): Promise<void> {
    const { clock, candles, pollMs = POLL_MS } = this.#options;
    this.#stops.push(
      candles.onEvents((events) => this.#deliver(events)),
      clock.every(pollMs, () => this.refresh()),
      clock.every(HOUR_MS, () => {
        this.#pruneDue = true;
      }),
    );
    this.#running = this.#run();
  }

  /** Ends after what is being written. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const stop of this.#stops) stop();
    this.#wake();
    await this.#running;
    await Promise.all(this.#loading);
    for (const { series } of this.#series.values()) this.#options.candles.unfollow(series);
    this.#series.clear();
  }

  /** Looks for changed rules and owned symbols at once. */
  refresh(): void {
    this.#lookDue = true;
    this.#wake();
  }

  /** Rules on the symbol changed: they are read again at once, whatever its version says, which no deletion raises. */
  reread(symbol: string): void {
    if (this.#versions.has(symbol)) this.#versions.set(symbol, 0);
    this.refresh();
  }

  /** Since the start: firings that were not told, because the plan of the rule's owner does not have them. */
  get withheld(): Readonly<Record<Withheld, number>> {
    return this.#recorder.withheld;
  }

  /** Series that are evaluated here, and how many of them are up to date. */
  get size(): { readonly series: number; readonly ready: number } {
    const all = [...this.#series.values()];
    return { series: all.length, ready: all.filter(({ state }) => state === 'ready').length };
  }

  #deliver(events: readonly (ClosedEvent | GapEvent)[]): void {
    for (const event of events) {
      const { symbol, interval } = 'candle' in event ? event.candle : event;
      this.#series.get(keyOf(symbol, interval))?.deliver(event);
    }
    this.#wake();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await this.#attempt('reading rules', () => this.#look());
      this.#load();
      await this.#evaluate();
      if (!this.#hasWork()) await woken;
    }
  }

  #hasWork(): boolean {
    return this.#lookDue || [...this.#series.values()].some(({ hasWork }) => hasWork);
  }

  /** Tells of the first failure in a row, and of the end of them. */
  async #attempt(what: string, work: () => Promise<unknown>): Promise<void> {
    const { log } = this.#options;
    try {
      await work();
      if (this.#failing.delete(what)) log.info({ what }, 'rules: works again');
    } catch (error) {
      this.stats.failed += 1;
      if (!this.#failing.has(what))
        log.warn({ err: error, what }, 'rules: failed; it is tried again, and nothing is left out');
      this.#failing.add(what);
    }
  }

  async #look(): Promise<void> {
    if (!this.#lookDue) return;
    this.#lookDue = false;
    const { rules, firings, owns } = this.#options;
    const versions = await rules.versions();
    for (const [symbol] of this.#versions) if (!owns(symbol)) this.#setRules(symbol, []);
    for (const [symbol, version] of versions) {
      if (!owns(symbol) || this.#versions.get(symbol) === version) continue;
      this.#setRules(symbol, await rules.enabled(symbol));
      this.#versions.set(symbol, version);
    }
    this.#looks += 1;
    if (this.#looks % COMPARE_EVERY === 0) await this.#compare();
    if (this.#pruneDue) await firings.prune(KEEP_VERDICTS_MS);
    this.#pruneDue = false;
  }

  #setRules(symbol: string, rules: readonly StoredRule[]): void {
    if (rules.length === 0) this.#versions.delete(symbol);
    const byInterval = grouped(rules);
    for (const [key, tracked] of this.#series) {
      if (tracked.series.symbol !== symbol || byInterval.has(tracked.series.interval)) continue;
      this.#options.candles.unfollow(tracked.series);
      this.#series.delete(key);
    }
    for (const [interval, own] of byInterval) {
      const key = keyOf(symbol, interval);
      const tracked = this.#series.get(key);
      if (tracked !== undefined) tracked.setRules(own);
      else this.#series.set(key, new TrackedSeries({ symbol, interval }, own, this.#deps));
    }
  }

  /** Finds series whose last event was lost. */
  async #compare(): Promise<void> {
    const ready = [...this.#series.values()].filter(({ state }) => state === 'ready');
    if (ready.length === 0) return;
    const positions = await this.#options.candles.positions(ready.map(({ series }) => series));
    for (const [i, tracked] of ready.entries()) tracked.compare(positions[i] ?? 0);
  }

  #load(): void {
    const now = this.#options.clock.now();
    for (const tracked of this.#series.values()) {
      if (tracked.state !== 'stale' || tracked.retryAt > now) continue;
      if (this.#loading.size >= LOADING_LIMIT) return;
      tracked.state = 'loading';
      const loading: Promise<void> = this.#catchUp(tracked).then(() => {
        this.#loading.delete(loading);
        this.#wake();
      });
      this.#loading.add(loading);
    }
  }

  async #catchUp(tracked: TrackedSeries): Promise<void> {
    const { symbol, interval } = tracked.series;
    await this.#attempt(`catching up with ${symbol} ${interval}`, async () => {
      try {
        for (let next: Outcome | null = await tracked.begin(); next !== null; next = await tracked.catchUp())
          if (this.#stopped || !(await this.#record([next]))) return;
      } finally {
        if (tracked.state === 'loading') this.#retryLater(tracked);
      }
    });
  }

  async #evaluate(): Promise<void> {
    const { tracer = noTracer } = this.#options;
    const due = [...this.#series.values()].filter(({ hasWork }) => hasWork);
    if (due.length === 0) return;
    const attributes = { 'candlecast.series': due.length };
    await tracer.span('evaluate rules', { attributes }, async (span) => {
      const outcomes = await this.#outcomes(due);
      span.set({ 'candlecast.firings': outcomes.reduce((sum, { firings }) => sum + firings.length, 0) });
      if (outcomes.length > 0) await this.#attempt('writing firings', () => this.#record(outcomes));
    });
  }

  async #outcomes(due: readonly TrackedSeries[]): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    const { log } = this.#options;
    for (const tracked of due) {
      if (!tracked.hasWork) continue;
      const outcome = await tracked.evaluate().catch((error: unknown) => {
        this.#retryLater(tracked);
        log.debug({ err: error }, 'rules could not be read');
        return null;
      });
      if (outcome !== null) outcomes.push(outcome);
    }
    return outcomes;
  }

  /**
   * @returns whether all of it was written; the series of what was not begin anew. What was refused may have been of a rule that is
   * gone, so the rules are read again as well.
   */
  async #record(outcomes: readonly Outcome[]): Promise<boolean> {
    const pending = new Set(outcomes);
    try {
      await this.#recorder.record(
        outcomes,
        (series) => this.#trackedOf(series)?.rules,
        (outcome) => {
          pending.delete(outcome);
          this.#trackedOf(outcome.series)?.written(outcome.to);
          this.#count(outcome);
        },
      );
      for (const { series } of pending) this.reread(series.symbol);
      return pending.size === 0;
    } finally {
      for (const { series } of pending) {
        const tracked = this.#trackedOf(series);
        if (tracked !== undefined) this.#retryLater(tracked);
      }
    }
  }

  #trackedOf({ symbol, interval }: Outcome['series']): TrackedSeries | undefined {
    return this.#series.get(keyOf(symbol, interval));
  }

  #retryLater(tracked: TrackedSeries): void {
    tracked.state = 'stale';
    tracked.retryAt = this.#options.clock.now() + (this.#options.pollMs ?? POLL_MS);
  }

  #count({ firings }: Outcome): void {
    this.stats.candles += 1;
    for (const { fires } of firings) this.stats[fires ? 'fired' : 'withdrawn'] += 1;
  }
}

function grouped(rules: readonly StoredRule[]): ReadonlyMap<Interval, readonly StoredRule[]> {
  const groups = new Map<Interval, StoredRule[]>();
  for (const rule of rules) groups.set(rule.interval, [...(groups.get(rule.interval) ?? []), rule]);
  return groups;
}

function keyOf(symbol: string, interval: string): string {
  return `${symbol} ${interval}`;
}
