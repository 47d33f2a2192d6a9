import { z } from 'zod';
import { UserError } from '../kit/errors.js';
import { INTERVALS, type Interval } from '../market/interval.js';
import { isSymbol, SYMBOL_RULE } from '../market/symbol.js';
import type { Entitlements } from '../wire/identity.js';

/** The plans of a server, from the least to the best; the first is everybody's who has no subscription. */
export interface Plans {
  readonly all: readonly Entitlements[];
}

const MAX_COUNT = 1_000_000;
const count = z.int().min(0).max(MAX_COUNT);
const plan = z.strictObject({
  connections: z.int().min(1).max(MAX_COUNT),
  channels: count,
  historyDays: z.int().min(1).max(36_500).nullable(),
  intervals: z
    .array(z.enum(INTERVALS as readonly [Interval, ...Interval[]]))
    .min(1)
    .nullable(),
  signalsPerDay: count,
  signalSymbols: z
    .array(z.string().refine(isSymbol, `must be ${SYMBOL_RULE}`))
    .min(1)
    .nullable(),
  rules: count,
});

/** Letters first: JSON objects with names like numbers lose their order. */
const NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,99}$/;
const MAX_PLANS = 50;

const EVERYTHING = { historyDays: null, intervals: null, signalSymbols: null };
const FREE = { ...EVERYTHING, connections: 5, channels: 50, signalsPerDay: 100, rules: 5 };
const PRO = { ...EVERYTHING, connections: 50, channels: 1000, signalsPerDay: 10_000, rules: 200 };

export const DEFAULT_PLANS: Plans = freeze([
  { plan: 'free', ...FREE },
  { plan: 'pro', ...PRO },
]);

/**
 * PLANS: `{"free":{"connections":5,"channels":50,"historyDays":90,"intervals":["1m","1h"],"signalsPerDay":100,"rules":5},"pro":{…}}`, in
 * ascending order. What a plan leaves out is as in the built-in plan of its name, else as in `free`.
 * @throws UserError with every problem.
 */
export function parsePlans(text: string | null): Plans {
  if (text === null) return DEFAULT_PLANS;
  const value = readObject(text);
  const names = Object.keys(value);
  const problems: string[] = [];
  if (names.length === 0 || names.length > MAX_PLANS) problems.push(`must have 1 to ${MAX_PLANS} plans`);
  const plans = names.map((name) => readPlan(name, value[name], problems));
  if (problems.length > 0) throw new UserError(`PLANS ${problems.join('; ')}`);
  return freeze(plans);
}

/** The best of the plans that somebody has; names that are no plan (any more) give nothing. */
export function bestOf(plans: Plans, names: readonly string[]): Entitlements {
  const best = plans.all.findLast((candidate) => names.includes(candidate.plan)) ?? plans.all[0];
  if (best === undefined) throw new Error('there are no plans');
  return best;
}

export function isPlan(plans: Plans, name: string): boolean {
  return plans.all.some((candidate) => candidate.plan === name);
}

function readObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw new UserError('PLANS must be a JSON object of plans by name, such as {"free":{"connections":5},"pro":{}}');
}

function readPlan(name: string, value: unknown, problems: string[]): Entitlements {
  if (!NAME.test(name)) problems.push('must name plans with letters, digits, ".", "_" and "-", a letter first');
  const base = name === 'pro' ? PRO : FREE;
  const parsed = plan.partial().safeParse(value);
  for (const issue of parsed.error?.issues ?? []) problems.push(`${[name, ...issue.path].join('.')}: ${issue.message}`);
  const given = Object.entries(parsed.data ?? {}).filter(([, own]) => own !== undefined);
  return { plan: name, ...base, ...Object.fromEntries(given) };
}

function freeze(all: readonly Entitlements[]): Plans {
  return Object.freeze({ all: Object.freeze(all.map((one) => Object.freeze(one))) });
}
