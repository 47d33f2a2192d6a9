import type { SignalSink } from '../store.js';
import { Allowance, type AllowanceSources, type OutOfPlan } from './allowance.js';
import { type Firings, guardOf, type Outcome, type Series } from './firings.js';
import type { StoredRule } from './store.js';
import { batches, toSignal } from './to-signal.js';

export interface RecorderOptions extends AllowanceSources {
  readonly firings: Firings;
  readonly sink: SignalSink;
}

/** Why a firing is noted and not told. */
export type Withheld = OutOfPlan | 'daily_limit';

type RulesOf = (series: Series) => ReadonlyMap<string, StoredRule> | undefined;

/** A statement takes this many signals; the sink allows 1,000. */
const BATCH = 500;

/**
 * Writes outcomes: firings with their signals, and how far each series was judged. A firing that the plan of the rule's owner does
 * not have is written without a signal: it is not told, then or later.
 */
export class Recorder {
  /** Since the start. */
  readonly withheld: Record<Withheld, number> = {
    interval_not_in_plan: 0,
    symbol_not_in_plan: 0,
    rule_limit: 0,
    daily_limit: 0,
  };
  readonly #options: RecorderOptions;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /**
   * Calls `done` for every outcome that is in the database as a whole. One that another process has overtaken, or with a firing
   * of a rule that changed meanwhile, is left out. Rejects as the database does; outcomes not done by then may be written or not.
   */
  async record(outcomes: readonly Outcome[], rulesOf: RulesOf, done: (outcome: Outcome) => void): Promise<void> {
    const silent = outcomes.filter(({ firings }) => firings.length === 0);
    if (silent.length > 0) {
      const moved = new Set((await this.#options.firings.advance(silent)).map(keyOf));
      for (const outcome of silent) if (moved.has(keyOf(outcome.series))) done(outcome);
    }
    const loud = outcomes.filter(({ firings }) => firings.length > 0);
    const failed = new Set<string>();
    const allowance = new Allowance(this.#options);
    for (const batch of batches(loud, BATCH)) {
      const going = batch.filter(({ series }) => !failed.has(keyOf(series)));
      for (const key of await this.#publish(going, rulesOf, allowance)) failed.add(key);
    }
    for (const outcome of loud) if (!failed.has(keyOf(outcome.series))) done(outcome);
  }

  /** @returns the series of which something was refused. */
  async #publish(outcomes: readonly Outcome[], rulesOf: RulesOf, allowance: Allowance): Promise<string[]> {
    const owned = outcomes.filter(({ series, firings }) => firings.every(({ ruleId }) => rulesOf(series)?.has(ruleId)));
    const dropped = outcomes.filter((outcome) => !owned.includes(outcome)).map(({ series }) => keyOf(series));
    if (owned.length === 0) return dropped;
    const items = owned.flatMap(({ series, firings }) =>
      firings.flatMap((firing) => {
        const rule = rulesOf(series)?.get(firing.ruleId);
        return rule === undefined ? [] : [{ series, firing, rule }];
      }),
    );
    await allowance.learn(items.map(({ rule }) => rule.userId));
    const told = items.filter(({ rule }) => allowance.outOfPlan(rule) === null);
    const signals = told.map(({ rule, firing }) => toSignal(rule, firing, allowance.signalsPerDay(rule.userId)));
    const { refused } = await this.#options.sink.publish(signals, guardOf(owned));
    for (const { rule } of items) this.#count(allowance.outOfPlan(rule));
    for (const { reason } of refused) this.#count(reason === 'daily_limit' ? reason : null);
    // Where nothing of an outcome was to be told, it shows with the next one that somebody else was quicker.
    const guarded = new Set(refused.filter(({ reason }) => reason === 'guarded').map(({ id }) => id));
    return [
      ...dropped,
      ...told.filter(({ firing }) => guarded.has(firing.signalId)).map(({ series }) => keyOf(series)),
    ];
  }

  #count(reason: Withheld | null): void {
    if (reason !== null) this.withheld[reason] += 1;
  }
}

function keyOf({ symbol, interval }: Series): string {
  return `${symbol} ${interval}`;
}
