import type { Entitlements } from '../../wire/identity.js';
import type { Series } from './firings.js';
import type { StoredRule } from './store.js';

/** What of a plan stands against a rule, named as the API does. */
export type OutOfPlan = 'interval_not_in_plan' | 'symbol_not_in_plan' | 'rule_limit';

export interface AllowanceSources {
  /** What the plans of these users give, of those that are there. */
  entitlements(userIds: readonly string[]): Promise<ReadonlyMap<string, Entitlements>>;
  readonly rules: {
    /** Of users, given with how many enabled rules their plans give: the id of the first one too many, by age. */
    firstBeyond(limits: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, string>>;
  };
}

/** null: the plan has it. */
export function outOfPlan(
  { symbol, interval }: Series,
  { intervals, signalSymbols }: Entitlements,
): Exclude<OutOfPlan, 'rule_limit'> | null {
  if (intervals !== null && !intervals.includes(interval)) return 'interval_not_in_plan';
  return signalSymbols === null || signalSymbols.includes(symbol) ? null : 'symbol_not_in_plan';
}

/** What the plans of rules' owners allow now, asked once for each owner. */
export class Allowance {
  readonly #sources: AllowanceSources;
  readonly #asked = new Set<string>();
  readonly #entitlements = new Map<string, Entitlements>();
  readonly #firstBeyond = new Map<string, string>();

  constructor(sources: AllowanceSources) {
    this.#sources = sources;
  }

  /** Before anything is asked about rules of these users. */
  async learn(userIds: Iterable<string>): Promise<void> {
    const { entitlements, rules } = this.#sources;
    const unknown = [...new Set(userIds)].filter((userId) => !this.#asked.has(userId));
    if (unknown.length === 0) return;
    const found = await entitlements(unknown);
    const limits = new Map([...found].map(([userId, { rules: most }]) => [userId, most]));
    for (const [userId, ruleId] of await rules.firstBeyond(limits)) this.#firstBeyond.set(userId, ruleId);
    for (const [userId, gives] of found) this.#entitlements.set(userId, gives);
    for (const userId of unknown) this.#asked.add(userId);
  }

  /** Of a user who is gone: 0. */
  signalsPerDay(userId: string): number {
    return this.#entitlements.get(userId)?.signalsPerDay ?? 0;
  }

  /** Why the rule is not of its owner's plan; null: it is, or there is no such user any more. */
  outOfPlan(rule: StoredRule): OutOfPlan | null {
    const entitlements = this.#entitlements.get(rule.userId);
    if (entitlements === undefined) return null;
    const first = this.#firstBeyond.get(rule.userId);
    // Ids of rules ascend with their age.
    return outOfPlan(rule, entitlements) ?? (first !== undefined && rule.id >= first ? 'rule_limit' : null);
  }
}
