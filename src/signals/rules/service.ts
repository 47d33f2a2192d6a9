import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../kit/clock.js';
import type { Interval } from '../../market/interval.js';
import type { Entitlements, Identity } from '../../wire/identity.js';
import { outOfPlan } from './allowance.js';
import { parseRule } from './parse.js';
import type { Rule } from './schema.js';
import type { RuleStore, StoredRule } from './store.js';

/** As clients see it. Times are epoch ms. */
export type RuleView = Omit<StoredRule, 'userId' | 'startsAfter' | 'version'>;

export type RuleErrorCode =
  | 'bad_rule'
  | 'unknown_symbol'
  | 'interval_not_in_plan'
  | 'symbol_not_in_plan'
  | 'rule_limit'
  | 'not_found';

/** Why a rule was not made or changed. `details`: what the answer holds beside the sentence. */
export class RuleError extends Error {
  override readonly name = 'RuleError';
  constructor(
    readonly code: RuleErrorCode,
    message: string,
    readonly details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
  }
}

export interface RuleServiceOptions {
  readonly store: RuleStore;
  /** Open time of the newest closed candle; null: none yet; undefined: no such symbol. Rejects when it cannot be read now. */
  newestClosed(symbol: string, interval: Interval): Promise<number | null | undefined>;
  /** Called after every change of a rule on a symbol. */
  onChange(symbol: string): void;
  readonly clock: Clock;
}

/** What users do with their rules. Every method throws RuleError, or rejects as the database does. */
export class RuleService {
  constructor(private readonly options: RuleServiceOptions) {}

  /** By age; `after` is the id of one seen before. */
  async list({ userId }: Identity, after: string | null, limit: number): Promise<RuleView[]> {
    return (await this.options.store.list(userId, after, limit)).map(toView);
  }

  async get({ userId }: Identity, id: string): Promise<RuleView> {
    return toView(found(await this.options.store.find(userId, id)));
  }

  /** @param value a rule out of JSON. */
  async create(identity: Identity, value: unknown): Promise<RuleView> {
    const rule = read(value);
    requireInPlan(rule, identity.entitlements);
    const { store, clock } = this.options;
    const startsAfter = await this.#newest(rule);
    const made = await store.create(identity.userId, rule, clock.now(), startsAfter, identity.entitlements.rules);
    if (made === null) throw tooMany(identity.entitlements, 'and you have as many');
    this.options.onChange(rule.symbol);
    return toView(made);
  }

  /**
   * What makes a rule fire where it did not before needs a plan that has the rule: a plan may have become smaller since.
   * @param value members of a rule that change, and `enabled`; null takes `name`, `data` or `expiresAt` away. Symbol and interval stay.
   */
  async update(identity: Identity, id: string, value: unknown): Promise<RuleView> {
    const { store, clock } = this.options;
    const old = found(await store.find(identity.userId, id));
    const changed = merge(old, value);
    const changedRule = { ...read(changed.rule), enabled: changed.enabled };
    if (firesMore(old, changedRule)) await this.#requireStillInPlan(identity, old);
    const startsAfter = await this.#newest(changedRule);
    const made = found(await store.update(identity.userId, id, changedRule, clock.now(), startsAfter));
    this.options.onChange(made.symbol);
    return toView(made);
  }

  async remove({ userId }: Identity, id: string): Promise<void> {
    const symbol = await this.options.store.remove(userId, id);
    if (symbol === null) throw notFound();
    this.options.onChange(symbol);
  }

  async #requireStillInPlan({ userId, entitlements }: Identity, { id, enabled, ...rule }: StoredRule): Promise<void> {
    requireInPlan(rule, entitlements);
    const ahead = await this.options.store.ahead(userId, id, enabled);
    if (ahead >= entitlements.rules) throw tooMany(entitlements, `and ${ahead} others are on: switch some of them off`);
  }

  async #newest({ symbol, interval }: Rule): Promise<number> {
    const newest = await this.options.newestClosed(symbol, interval);
    if (newest === undefined)
      throw new RuleError(
        'unknown_symbol',
        `There is no symbol ${symbol} here; GET /v1/symbols lists those there are.`,
      );
    return newest ?? 0;
  }
}

/** @throws RuleError */
function requireInPlan(rule: Pick<Rule, 'symbol' | 'interval'>, entitlements: Entitlements): void {
  const code = outOfPlan(rule, entitlements);
  if (code === null) return;
  const { plan, intervals, signalSymbols } = entitlements;
  if (code === 'interval_not_in_plan') {
    const message = `The plan "${plan}" gives the intervals ${intervals?.join(' ')}, not ${rule.interval}.`;
    throw new RuleError(code, message, { limit: 'intervals', plan });
  }
  const message = `The plan "${plan}" gives signals on ${signalSymbols?.join(' ')}, not on ${rule.symbol}.`;
  throw new RuleError(code, message, { limit: 'signalSymbols', plan });
}

function tooMany({ plan, rules: allowed }: Entitlements, more: string): RuleError {
  const message = `The plan "${plan}" gives ${allowed} rules, ${more}.`;
  return new RuleError('rule_limit', message, { limit: 'rules', plan, allowed });
}

/** Whether the changed rule may fire at a candle at which the old one did not. */
function firesMore(old: StoredRule, changed: Rule & { readonly enabled: boolean }): boolean {
  if (!changed.enabled) return false;
  const isEarlier = (changed.expiresAt ?? Number.POSITIVE_INFINITY) <= (old.expiresAt ?? Number.POSITIVE_INFINITY);
  const isRarer = (changed.cooldownMs ?? 0) >= old.cooldownMs;
  return !(old.enabled && isEarlier && isRarer && isDeepStrictEqual(changed.when, old.when));
}

const CHANGEABLE: ReadonlySet<string> = new Set(['name', 'when', 'cooldownMs', 'expiresAt', 'data']);

function merge(old: StoredRule, value: unknown): { readonly rule: object; readonly enabled: boolean } {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new RuleError('bad_rule', 'Send an object with what changes.');
  const { symbol, interval, name, when, cooldownMs, expiresAt, data } = old;
  const rule: Record<string, unknown> = { symbol, interval, name, when, cooldownMs, expiresAt, data };
  let enabled = old.enabled;
  for (const [key, given] of Object.entries(value)) {
    if (CHANGEABLE.has(key)) rule[key] = given;
    else if (key === 'enabled' && typeof given === 'boolean') enabled = given;
    else throw new RuleError('bad_rule', refusalOf(key));
  }
  // null takes a member away.
  return { rule: Object.fromEntries(Object.entries(rule).filter(([, given]) => given != null)), enabled };
}

function refusalOf(key: string): string {
  if (key === 'enabled') return 'enabled must be true or false.';
  if (key === 'symbol' || key === 'interval') return `The ${key} of a rule stays: make another rule.`;
  return `Only ${[...CHANGEABLE].join(', ')} and enabled can be changed.`;
}

function read(value: unknown): Rule {
  const rule = parseRule(value);
  if (!('errors' in rule)) return rule;
  throw new RuleError('bad_rule', `${rule.errors.join('; ')}.`, { errors: rule.errors });
}

function found(rule: StoredRule | null): StoredRule {
  if (rule === null) throw notFound();
  return rule;
}

function notFound(): RuleError {
  return new RuleError('not_found', 'You have no such rule.');
}

function toView({ userId: _user, startsAfter: _start, version: _version, ...view }: StoredRule): RuleView {
  return view;
}
