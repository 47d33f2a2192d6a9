import { z } from 'zod';
import { RULE_PARAMETERS } from '../rules.js';
import { badRequest, done, forbidden, refused, time, unauthorized, unavailable, uuid, withBody } from './answers.js';
import type { Section } from './operation.js';

/** What rules are made of, which is not known here. */
export interface RuleSchemas {
  readonly created: z.ZodObject;
  readonly changed: z.ZodType;
}

const ACCESS = { scope: 'rules' } as const;
const common = { 401: unauthorized, 503: unavailable('rules_unavailable', 'accounts_unavailable') };
const noRule = refused('You have no such rule.', ['not_found']);
const notInPlan = refused(
  'You may not, or the plan does not give it.',
  ['forbidden', 'origin_not_allowed', 'interval_not_in_plan', 'symbol_not_in_plan', 'rule_limit'],
  {
    plan: z.string(),
    limit: z.enum(['rules', 'intervals', 'signalSymbols']),
    allowed: z.int().nonnegative(),
  },
);
const wrong = refused('The rule is wrong; `errors` names every place.', ['bad_request', 'bad_rule', 'unknown_symbol'], {
  errors: z.array(z.string()),
});

export function ruleSection({ created, changed }: RuleSchemas): Section {
  const { shape } = created;
  const rule = z
    .strictObject({
      ...shape,
      id: uuid,
      enabled: z.boolean(),
      cooldownMs: z.int().nonnegative(),
      expiresAt: time.nullable(),
      createdAt: time,
      updatedAt: time,
    })
    .meta({ id: 'Rule' });
  return {
    name: 'Rules',
    description: 'Conditions over closed candles: where one holds, you get a signal.',
    operations: [
      {
        method: 'GET',
        path: '/v1/rules',
        id: 'listRules',
        summary: 'Your rules, the oldest first',
        access: ACCESS,
        parameters: RULE_PARAMETERS,
        answers: {
          200: {
            description: 'A page of them; `next`, given as `after`, continues.',
            schema: z.strictObject({ rules: z.array(rule), next: uuid.nullable().describe('null: there is no more.') }),
          },
          400: badRequest(),
          403: forbidden(),
          ...common,
        },
      },
      {
        method: 'POST',
        path: '/v1/rules',
        id: 'createRule',
        summary: 'A new rule',
        access: ACCESS,
        body: {
          schema: created,
          example: {
            name: 'dip',
            symbol: 'BTCUSDT',
            interval: '5m',
            when: {
              all: [
                { type: 'rsi', period: 14, op: 'below', level: 30 },
                { type: 'price', op: 'above', level: '60' },
              ],
            },
            cooldownMs: 3600000,
          },
        },
        answers: {
          201: { description: 'The rule.', schema: rule },
          400: wrong,
          403: notInPlan,
          ...withBody,
          ...common,
        },
      },
      {
        method: 'GET',
        path: '/v1/rules/{id}',
        id: 'readRule',
        summary: 'A rule',
        access: ACCESS,
        answers: {
          200: { description: 'The rule.', schema: rule },
          400: badRequest(),
          403: forbidden(),
          404: noRule,
          ...common,
        },
      },
      {
        method: 'PATCH',
        path: '/v1/rules/{id}',
        id: 'changeRule',
        summary: 'Change a rule',
        description: 'Send what changes; null takes a member away. Symbol and interval stay.',
        access: ACCESS,
        body: { schema: changed, example: { enabled: false } },
        answers: {
          200: { description: 'The rule as it is now.', schema: rule },
          400: wrong,
          403: notInPlan,
          404: noRule,
          ...withBody,
          ...common,
        },
      },
      {
        method: 'DELETE',
        path: '/v1/rules/{id}',
        id: 'deleteRule',
        summary: 'Delete a rule',
        access: ACCESS,
        answers: { 204: done, 400: badRequest(), 403: forbidden(), 404: noRule, ...common },
      },
    ],
  };
}
