import { parsePlans } from '../../accounts/plans.js';
import { UserError } from '../../kit/errors.js';
import { withAccounts } from './accounts.js';
import { type AnswerOptions, answer, table } from './answer.js';
import { readDay } from './read.js';
import type { Ground } from './run.js';

/** `candlecast plan list`: the plans there are, or the subscriptions of a user. */
export async function listPlans(ground: Ground, who: string | undefined, options: AnswerOptions): Promise<undefined> {
  if (who !== undefined) return listSubscriptions(ground, who, options);
  const plans = parsePlans(ground.config.plans).all;
  answer(options, { plans }, () => {
    const header = ['plan', 'connections', 'channels', 'history', 'intervals', 'signals a day', 'rules'];
    const rows = plans.map((p) => [
      p.plan,
      p.connections,
      p.channels,
      p.historyDays === null ? 'all' : `${p.historyDays} days`,
      p.intervals === null ? 'all' : p.intervals.join(','),
      p.signalsPerDay,
      p.rules,
    ]);
    return `${table(header, rows)}\nWho has no subscription has the plan ${plans[0]?.plan}.`;
  });
}

async function listSubscriptions(ground: Ground, who: string, options: AnswerOptions): Promise<undefined> {
  return withAccounts(ground, async ({ find }) => {
    const { email, entitlements, subscriptions } = await find(who);
    answer(options, { inForce: entitlements.plan, subscriptions }, () => {
      const rows = subscriptions.map((s) => [s.plan, s.startDate, s.endDate, s.status, s.id]);
      const now = `${email} has the plan ${entitlements.plan} today.`;
      return rows.length === 0 ? now : `${table(['plan', 'from', 'to', 'status', 'id'], rows)}\n${now}`;
    });
  });
}

/** `candlecast plan set` */
export async function setPlan(
  ground: Ground,
  who: string,
  plan: string,
  options: AnswerOptions & { readonly from?: string; readonly to?: string },
): Promise<undefined> {
  const startDate = options.from === undefined ? undefined : readDay('--from', options.from);
  const endDate = options.to === undefined ? null : readDay('--to', options.to);
  return withAccounts(ground, async ({ find, administration, actor }) => {
    const { id, email } = await find(who);
    const set = await administration.setSubscription(actor, id, { plan, startDate, endDate });
    answer(options, set, () => `${email} has the plan ${set.plan} from ${set.startDate} to ${set.endDate ?? '…'}`);
  });
}

/** `candlecast plan end` */
export async function endPlan(ground: Ground, who: string, options: AnswerOptions): Promise<undefined> {
  return withAccounts(ground, async ({ find, administration, actor }) => {
    const { id, email, subscriptions } = await find(who);
    if (!subscriptions.some(({ status }) => status === 'active'))
      throw new UserError(`${email} has no active subscription`);
    await administration.cancelSubscription(actor, id);
    answer(options, { id, email, ended: true }, () => `The subscription of ${email} has ended`);
  });
}
