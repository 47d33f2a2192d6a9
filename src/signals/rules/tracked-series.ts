import type { Candle } from '../../market/candle.js';
import type { ClosedCandles, ClosedEvent, GapEvent } from './closed-candles.js';
import { Evaluator, type Firing, horizonStart, type Progress, type Work } from './evaluator.js';
import type { Firings, Outcome, Series } from './firings.js';
import type { StoredRule } from './store.js';

/** Candles of one page while catching up: what they bring is written before the next page is read. */
const PAGE = 500;
/** Events that may wait while history is read; beyond, it is read once more. */
const INBOX_LIMIT = 2000;

export interface SeriesDeps {
  readonly candles: ClosedCandles;
  readonly firings: Firings;
  newId(): string;
  /** Does it without holding up others. */
  inSlices<T>(work: Work<T>): Promise<T>;
}

/**
 * One (symbol, interval) whose rules are evaluated here. `begin` and `catchUp` bring it to now, then `evaluate` takes what has
 * arrived. Every outcome has to be written, and then `written` called, before the next one is made.
 */
export class TrackedSeries {
  readonly series: Series;
  /** `stale`: has to begin (anew). */
  state: 'stale' | 'loading' | 'ready' = 'stale';
  /** Not to begin before, epoch ms. */
  retryAt = 0;
  rules: ReadonlyMap<string, StoredRule>;
  readonly #deps: SeriesDeps;
  #evaluator: Evaluator;
  /** As it is in the database. */
  #written: Progress = { openTime: 0, seq: 0 };
  #inbox: (ClosedEvent | GapEvent)[] = [];
  /** seq of the newest event that is known to be taken in, with all before it. */
  #channelSeq = 0;
  #rulesChanged = false;
  #seenBehind: number | null = null;

  constructor(series: Series, rules: readonly StoredRule[], deps: SeriesDeps) {
    this.series = series;
    this.rules = byId(rules);
    this.#deps = deps;
    this.#evaluator = new Evaluator(series.interval, deps.newId);
  }

  setRules(rules: readonly StoredRule[]): void {
    this.rules = byId(rules);
    this.#rulesChanged = true;
  }

  get hasWork(): boolean {
    return this.state === 'ready' && (this.#inbox.length > 0 || this.#rulesChanged);
  }

  /** An event of the channel. */
  deliver(event: ClosedEvent | GapEvent): void {
    if (this.state === 'stale') return;
    this.#inbox.push(event);
    if (this.#inbox.length > INBOX_LIMIT) this.state = 'stale';
  }

  /** `seq` is that of the channel's newest event. Makes it stale when the same one is missing at two calls. */
  compare(seq: number): void {
    if (seq <= this.#channelSeq || this.state !== 'ready' || this.#inbox.length > 0) {
      this.#seenBehind = null;
      return;
    }
    if (this.#seenBehind !== null && this.#seenBehind > this.#channelSeq) this.state = 'stale';
    this.#seenBehind = seq;
  }

  /** Reads where evaluation stopped, and history. Rejects when any of it cannot be read now. */
  async begin(): Promise<Outcome> {
    const { candles, firings, newId } = this.#deps;
    const { series } = this;
    this.#inbox = [];
    this.#rulesChanged = false;
    const rules = [...this.rules.values()];
    await candles.follow(series);
    // All up to there is in the history that is read after it.
    const [position] = await candles.positions([series]);
    this.#channelSeq = position ?? 0;
    const earliest = Math.min(...rules.map(({ startsAfter }) => startsAfter));
    this.#written = await firings.begin(series, earliest);
    // While nobody had a rule here nothing was judged, and nothing has to be.
    const progress = { ...this.#written, openTime: Math.max(this.#written.openTime, earliest) };
    const horizon = horizonStart(series.interval, progress.openTime);
    const verdicts = await firings.verdicts(series, horizon);
    const needed = Evaluator.historyNeeded(
      series.interval,
      rules.map(({ when }) => when),
    );
    const older = await candles.before(series, horizon, needed);
    const newer = await candles.since(series, horizon, PAGE);
    this.#evaluator = new Evaluator(series.interval, newId);
    const history = [...older, ...newer];
    const load = { history, complete: older.length < needed, rules, verdicts, progress };
    const loaded = await this.#deps.inSlices(this.#evaluator.load(load));
    this.#caughtUp = newer.length < PAGE;
    return this.#outcome(loaded);
  }

  #caughtUp = false;

  /** The next page; null when there is none and the series is ready. */
  async catchUp(): Promise<Outcome | null> {
    if (this.#caughtUp) {
      if (this.state === 'loading') this.state = 'ready';
      return null;
    }
    const from = this.#evaluator.progress.openTime + 1;
    const page = await this.#deps.candles.since(this.series, from, PAGE);
    this.#caughtUp = page.length < PAGE;
    return this.#outcome(await this.#deps.inSlices(this.#evaluator.take(page)));
  }

  /** Takes what has arrived. Becomes stale where an event is missing. @returns null when nothing came of it. */
  async evaluate(): Promise<Outcome | null> {
    const firings = await this.#deps.inSlices(this.#evaluator.take(this.#joined()));
    if (this.#rulesChanged) {
      this.#rulesChanged = false;
      const more = await this.#applyRules();
      if (more === null) this.state = 'stale';
      else firings.push(...more);
    }
    const outcome = this.#outcome(firings);
    const moved = outcome.to.seq !== outcome.from.seq || outcome.to.openTime !== outcome.from.openTime;
    return moved || firings.length > 0 ? outcome : null;
  }

  /** Candles of the events that follow on what is known without a hole. */
  #joined(): Candle[] {
    const joined: Candle[] = [];
    for (const event of this.#inbox) {
      const isCandle = 'candle' in event;
      if (event.prev > Math.max(this.#channelSeq, this.#evaluator.progress.seq)) {
        this.state = 'stale';
        break;
      }
      this.#channelSeq = Math.max(this.#channelSeq, isCandle ? event.candle.seq : event.seq);
      if (isCandle) joined.push(event.candle);
    }
    this.#inbox = [];
    return joined;
  }

  /** The outcome made last is in the database. */
  written(to: Progress): void {
    this.#written = to;
  }

  async #applyRules(): Promise<Firing[] | null> {
    const rules = [...this.rules.values()];
    const horizon = horizonStart(this.series.interval, this.#evaluator.progress.openTime);
    const verdicts = await this.#deps.firings.verdicts(this.series, horizon);
    return await this.#deps.inSlices(this.#evaluator.setRules(rules, verdicts));
  }

  #outcome(firings: readonly Firing[]): Outcome {
    return { series: this.series, from: this.#written, to: this.#evaluator.progress, firings };
  }
}

function byId(rules: readonly StoredRule[]): ReadonlyMap<string, StoredRule> {
  return new Map(rules.map((rule) => [rule.id, rule]));
}
