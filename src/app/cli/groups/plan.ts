import type { Command } from 'commander';
import { examples, withJson } from '../help.js';
import { perform } from '../perform.js';

const WHO = 'email address or id';

export function planGroup(program: Command): void {
  const plan = program.command('plan').description('what accounts may use: plans, and who is subscribed to them');
  examples(
    withJson(plan.command('list').description('list the plans (PLANS), or the subscriptions of an account'))
      .argument('[user]', WHO)
      .action(perform(async () => (await import('../plan.js')).listPlans)),
    ['candlecast plan list'],
    ['candlecast plan list ada@example.com'],
  );
  examples(
    withJson(plan.command('set').description('subscribe an account to a plan, in place of what is active'))
      .argument('<user>', WHO)
      .argument('<plan>', 'its name')
      .option('--from <day>', 'the first day in UTC; without it, today')
      .option('--to <day>', 'the last day; without it there is no end')
      .action(perform(async () => (await import('../plan.js')).setPlan)),
    ['candlecast plan set ada@example.com pro'],
    ['candlecast plan set ada@example.com pro --from 2027-01-01 --to 2027-12-31'],
  );
  examples(
    withJson(plan.command('end').description('end the subscription of an account at once'))
      .argument('<user>', WHO)
      .action(perform(async () => (await import('../plan.js')).endPlan)),
    ['candlecast plan end ada@example.com'],
  );
}
