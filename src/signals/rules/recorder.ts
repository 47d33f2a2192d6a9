import type { SignalSink } from '../store.js';
import { type Firings, guardOf, type Outcome, type Series } from './firings.js';
import type { StoredRule } from './store.js';
import { batches, toSignal } from './to-signal.js';

export interface RecorderOptions {
  readonly firings: Firings;
  readonly sink: SignalSink;
  signalsPerDay(userIds: readonly string[]): Promise<ReadonlyMap<string, number>>;
}

type RulesOf = (series: Series) => ReadonlyMap<string, StoredRule> | undefined;

/** A statement takes this many signals; the sink allows 1,000. */
const BATCH = 500;

/** Writes outcomes: firings with their signals, and how far each series was judged. */
export class Recorder {
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
    for (const batch of batches(loud, BATCH)) {
      const going = batch.filter(({ series }) => !failed.has(keyOf(series)));
      for (const key of await this.#publish(going, rulesOf)) failed.add(key);
    }
    for (const outcome of loud) if (!failed.has(keyOf(outcome.series))) done(outcome);
  }

  /** @returns the series of which something was refused. */
  async #publish(outcomes: readonly Outcome[], rulesOf: RulesOf): Promise<string[]> {
    const owned = outcomes.filter(({ series, firings }) => firings.every(({ ruleId }) => rulesOf(series)?.has(ruleId)));
    const dropped = outcomes.filter((outcome) => !owned.includes(outcome)).map(({ series }) => keyOf(series));
    if (owned.length === 0) return dropped;
    const items = owned.flatMap(({ series, firings }) =>
      firings.flatMap((firing) => {
        const rule = rulesOf(series)?.get(firing.ruleId);
        return rule === undefined ? [] : [{ series, firing, rule }];
      }),
    );
    const limits = await this.#options.signalsPerDay([...new Set(items.map(({ rule }) => rule.userId))]);
    const signals = items.map(({ rule, firing }) => toSignal(rule, firing, limits.get(rule.userId) ?? 0));
    const { refused } = await this.#options.sink.publish(signals, guardOf(owned));
    const guarded = new Set(refused.filter(({ reason }) => reason === 'guarded').map(({ id }) => id));
    return [
      ...dropped,
      ...items.filter(({ firing }) => guarded.has(firing.signalId)).map(({ series }) => keyOf(series)),
    ];
  }
}

function keyOf({ symbol, interval }: Series): string {
  return `${symbol} ${interval}`;
}
