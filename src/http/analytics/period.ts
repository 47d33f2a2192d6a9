import { DAY_MS } from '../../market/interval.js';
import type { Entitlements } from '../../wire/identity.js';
import { QueryError } from '../query.js';
import { MAX_DAYS } from './parameters.js';
import type { DaySpan, Days } from './source.js';

/** As it was asked: times are epoch ms, null is not given. */
export interface AskedPeriod {
  readonly from: number | null;
  readonly to: number | null;
  readonly days: number | null;
}

export interface Limits {
  /** Days where neither `from` nor `days` is given. */
  readonly usualDays: number;
  /** How many days before the first one its return or window needs. */
  readonly lookBack: number;
  /** null: everything. */
  readonly plan: Entitlements | null;
}

export interface FoundPeriod {
  /** null: there is no day in it. */
  readonly days: Days | null;
  /** The plan has cut it. */
  readonly limited: { readonly plan: string; readonly historyDays: number } | null;
}

/** @throws QueryError */
export function checkPeriod({ from, to, days }: AskedPeriod): void {
  if (from !== null && days !== null)
    throw new QueryError('Give either "from" or "days": both say where the days begin.');
  if (from !== null && to !== null && from >= to)
    throw new QueryError('"from" must be before "to" ("to" is exclusive).');
}

/**
 * The days that are there of those that were asked for; a plan's history counts back from the newest day.
 * @param span null: there are none
 * @throws QueryError for more days than are answered at once
 */
export function findPeriod(
  asked: AskedPeriod,
  span: DaySpan | null,
  { usualDays, lookBack, plan }: Limits,
): FoundPeriod {
  if (span === null) return { days: null, limited: null };
  const [first, last] = [dayOf(span.first), dayOf(span.last)];
  const to = Math.min(asked.to === null ? last + 1 : dayFrom(asked.to), last + 1);
  const wanted = Math.max(asked.from === null ? to - (asked.days ?? usualDays) : dayFrom(asked.from), first);
  const given = plan === null || plan.historyDays === null ? null : { plan: plan.plan, historyDays: plan.historyDays };
  const oldest = given === null ? first : Math.max(first, last - given.historyDays);
  const from = Math.max(wanted, oldest);
  const limited = wanted < oldest && wanted < to ? given : null;
  if (from >= to) return { days: null, limited };
  if (to - from > MAX_DAYS) throw new QueryError(tooLong(from, to));
  return { days: { since: dateOf(Math.max(from - lookBack, oldest)), from: dateOf(from), to: dateOf(to) }, limited };
}

function tooLong(from: number, to: number): string {
  const fits = `from=${dateOf(to - MAX_DAYS)} up to here, or to=${dateOf(from + MAX_DAYS)} from there on`;
  return `These are ${to - from} days, from ${dateOf(from)} to ${dateOf(to)}; ${MAX_DAYS} are answered at once: ask ${fits}.`;
}

/** The first day that begins then or later, counted from the epoch. */
function dayFrom(timeMs: number): number {
  return Math.ceil(timeMs / DAY_MS);
}

function dayOf(date: string): number {
  return Date.parse(date) / DAY_MS;
}

function dateOf(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}
