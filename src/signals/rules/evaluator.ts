import type { Candle } from '../../market/candle.js';
import { bucketEnd, bucketStart, HOUR_MS, type Interval } from '../../market/interval.js';
import { type Bar, toBar } from '../indicators/bar.js';
import { Ledger, type Verdict } from './ledger.js';
import { isTrue, type Node, Plan, testsOf } from './plan.js';
import type { Condition } from './schema.js';
import { PlanState } from './state.js';
import { Window } from './window.js';

/** A rule as the evaluator sees it. Times are epoch ms. */
export interface ActiveRule {
  readonly id: string;
  /** Grows with every change of the rule. */
  readonly version: number;
  readonly when: Condition;
  readonly cooldownMs: number;
  readonly expiresAt: number | null;
  /** Open time: candles up to here are none of its business. */
  readonly startsAfter: number;
}

/** How far candles have been judged; `seq` is that of the latest close or correction taken in. */
export interface Progress {
  readonly openTime: number;
  readonly seq: number;
}

/** A rule fires at a candle, or a correction showed that it did not. */
export interface Firing extends Verdict {
  readonly ruleId: string;
  readonly version: number;
  /** The candle had been judged before: this is a correction. */
  readonly late: boolean;
  /** Id of the signal that this one puts right; null = none. */
  readonly corrects: string | null;
  readonly candle: { readonly close: string; readonly revision: number };
  /** What the conditions compared at this candle. */
  readonly values: Readonly<Record<string, number>>;
}

export interface Load {
  /** Closed candles, ascending: what `historyNeeded` asks for, and all after it that there are. */
  readonly history: readonly Candle[];
  /** There are no older candles than these. */
  readonly complete: boolean;
  readonly rules: readonly ActiveRule[];
  /** Of each rule: those since `horizonStart`, and its last firing before. */
  readonly verdicts: ReadonlyMap<string, readonly Verdict[]>;
  readonly progress: Progress;
}

/** Yields now and then, so that long work can be done in slices; nothing else may be asked of the evaluator before it ends. */
export type Work<T = Firing[]> = Generator<undefined, T>;

/** Does all of it at once. */
export function finish<T>(work: Work<T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
  }
}

interface Compiled {
  readonly rule: ActiveRule;
  readonly node: Node;
  readonly ledger: Ledger;
  /** Candles that opened later have not been judged. */
  judgedThrough: number;
}

/** Corrections reach this far back behind the newest close. */
const HORIZON_MS = HOUR_MS;

/** The oldest candle that may still be corrected, or whose verdicts a correction may turn round. */
export function horizonStart(interval: Interval, progressOpenTime: number): number {
  return bucketStart(interval, bucketEnd(interval, progressOpenTime) - HORIZON_MS - 1);
}

/**
 * The rules of one (symbol, interval) over its closed candles. Pure. Whatever the order in which closes and corrections
 * arrive and however often it is loaded anew, the firings that stand (fired and not withdrawn) are those of the candles as
 * they are now, each candle judged in turn.
 */
export class Evaluator {
  readonly interval: Interval;
  readonly #newId: () => string;
  readonly #window = new Window();
  #complete = false;
  #plan: Plan;
  #state: PlanState;
  #rules: Compiled[] = [];
  #progress: Progress = { openTime: 0, seq: 0 };

  /** @param newId of signals. */
  constructor(interval: Interval, newId: () => string) {
    this.interval = interval;
    this.#newId = newId;
    this.#plan = new Plan(interval);
    this.#state = new PlanState(interval, this.#plan);
  }

  get progress(): Progress {
    return this.#progress;
  }

  /** Distinct indicators and tests that are computed at each candle. */
  get size(): { readonly rules: number; readonly indicators: number; readonly tests: number } {
    return { rules: this.#rules.length, indicators: this.#plan.indicators.length, tests: this.#plan.tests.length };
  }

  /** Closed candles that have to be there before `horizonStart`, for rules with these conditions. */
  static historyNeeded(interval: Interval, conditions: readonly Condition[]): number {
    const plan = new Plan(interval);
    for (const condition of conditions) plan.add(condition);
    return plan.warmUp + 1;
  }

  /** Begins, or begins anew, where `progress` is. @returns what candles after it, or corrected since, bring. */
  *load({ history, complete, rules, verdicts, progress }: Load): Work {
    this.#window.reset(history.map(toBar));
    this.#complete = complete;
    this.#progress = progress;
    this.#compile(rules, (rule) => new Ledger(verdicts.get(rule.id)));
    // All that may still be corrected is judged again: what was corrected meanwhile is not always to be told from `seq`.
    const horizon = horizonStart(this.interval, progress.openTime);
    for (const compiled of this.#rules) compiled.judgedThrough = Math.max(compiled.rule.startsAfter, horizon - 1);
    return yield* this.#replay();
  }

  /**
   * Other rules from now on; those that are new are judged from where they start.
   * @returns null when they need more history than there is here: `load` with it.
   */
  *setRules(rules: readonly ActiveRule[], verdicts: Load['verdicts']): Work<Firing[] | null> {
    const known = new Map(this.#rules.map((compiled) => [compiled.rule.id, compiled]));
    this.#compile(rules, ({ id }) => known.get(id)?.ledger ?? new Ledger(verdicts.get(id)));
    const horizon = horizonStart(this.interval, this.#progress.openTime);
    for (const compiled of this.#rules) {
      const { id, version, startsAfter } = compiled.rule;
      const before = known.get(id);
      if (before?.rule.version === version) compiled.judgedThrough = before.judgedThrough;
      else compiled.judgedThrough = Math.max(startsAfter, horizon - 1);
    }
    if (!this.#complete && this.#window.placeOf(horizon) < this.#plan.warmUp) return null;
    return yield* this.#replay();
  }

  /**
   * Candles that have closed or were corrected, in the order in which that happened. One that was taken in before changes
   * nothing.
   * @returns firings, those of corrections included, in order of candles.
   */
  *take(candles: readonly Candle[]): Work {
    const firings: Firing[] = [];
    let corrected = Number.POSITIVE_INFINITY;
    for (const candle of candles) {
      const bar = toBar(candle);
      if (!this.#isNew(bar)) continue;
      const follows = bar.openTime > (this.#window.last?.openTime ?? Number.NEGATIVE_INFINITY);
      this.#window.put(bar);
      if (!follows || corrected < bar.openTime) corrected = Math.min(corrected, bar.openTime);
      else firings.push(...this.#append(bar));
    }
    if (corrected === Number.POSITIVE_INFINITY) return firings;
    this.#rejudgeFrom(Math.max(corrected, horizonStart(this.interval, this.#progress.openTime)));
    return [...firings, ...(yield* this.#replay())];
  }

  #isNew({ openTime, seq }: Bar): boolean {
    const oldest = this.#window.bars[0]?.openTime;
    if (oldest !== undefined && openTime < oldest) return this.#complete;
    return (this.#window.barAt(openTime)?.seq ?? -1) < seq;
  }

  #append(bar: Bar): Firing[] {
    this.#state.step(bar, this.#window.barAt);
    const firings: Firing[] = [];
    this.#judge(bar, firings);
    this.#advance(bar);
    this.#trim();
    return firings;
  }

  #compile(rules: readonly ActiveRule[], ledgerOf: (rule: ActiveRule) => Ledger): void {
    this.#plan = new Plan(this.interval);
    this.#rules = rules.map((rule) => ({
      rule,
      node: this.#plan.add(rule.when),
      ledger: ledgerOf(rule),
      judgedThrough: 0,
    }));
  }

  #rejudgeFrom(openTime: number): void {
    for (const compiled of this.#rules) compiled.judgedThrough = Math.min(compiled.judgedThrough, openTime - 1);
  }

  /** Computes everything anew from as far back as it matters, and judges what has not been judged. */
  *#replay(): Work {
    const { bars, barAt } = this.#window;
    const unjudged = Math.min(...this.#rules.map(({ judgedThrough }) => judgedThrough));
    const first = Math.min(this.#window.placeOf(unjudged + 1), bars.length);
    const state = new PlanState(this.interval, this.#plan);
    const begin = Math.max(0, first - this.#plan.warmUp);
    yield* state.warm(bars.slice(begin, Math.max(begin, first - 1)));
    this.#state = state;
    const firings: Firing[] = [];
    for (const bar of bars.slice(Math.max(begin, first - 1))) {
      state.step(bar, barAt);
      this.#judge(bar, firings);
      yield;
    }
    for (const bar of bars) this.#advance(bar);
    this.#trim();
    return firings;
  }

  #judge(bar: Bar, firings: Firing[]): void {
    const ends = bucketEnd(this.interval, bar.openTime);
    for (const compiled of this.#rules) {
      if (bar.openTime <= compiled.judgedThrough) continue;
      compiled.judgedThrough = bar.openTime;
      const { rule } = compiled;
      if (bar.openTime <= rule.startsAfter || (rule.expiresAt !== null && ends > rule.expiresAt)) continue;
      const fires = isTrue(compiled.node, this.#state.held) && !isCoolingDown(compiled, bar.openTime);
      const known = compiled.ledger.at(bar.openTime);
      if (fires !== (known?.fires ?? false)) firings.push(this.#fire(compiled, bar, fires, known));
    }
  }

  #fire({ rule, node, ledger }: Compiled, bar: Bar, fires: boolean, known: Verdict | null): Firing {
    const firing: Firing = {
      ruleId: rule.id,
      version: rule.version,
      openTime: bar.openTime,
      revision: known === null ? 0 : known.revision + 1,
      fires,
      signalId: this.#newId(),
      late: bar.openTime <= this.#progress.openTime,
      corrects: known?.signalId ?? null,
      candle: { close: bar.closeText, revision: bar.revision },
      values: this.#state.values(testsOf(node)),
    };
    ledger.put(firing);
    return firing;
  }

  #advance({ openTime, seq }: Bar): void {
    if (openTime <= this.#progress.openTime && seq <= this.#progress.seq) return;
    this.#progress = {
      openTime: Math.max(openTime, this.#progress.openTime),
      seq: Math.max(seq, this.#progress.seq),
    };
  }

  #trim(): void {
    const horizon = horizonStart(this.interval, this.#progress.openTime);
    const behind = this.#window.bars.length - this.#window.placeOf(horizon);
    if (!this.#window.trim(this.#plan.warmUp + 1 + behind)) return;
    this.#complete = false;
    for (const { ledger } of this.#rules) ledger.trim(horizon);
  }
}

function isCoolingDown({ rule, ledger }: Compiled, openTime: number): boolean {
  if (rule.cooldownMs === 0) return false;
  const last = ledger.lastFiring(openTime);
  return last !== null && openTime - last < rule.cooldownMs;
}
