import { z } from 'zod';
import { type Condition, headSchema, leafSchema, RULE_LIMITS } from './schema.js';

/**
 * What parse.ts takes, as whole schemas for the description of the API. It is read by the parts, because then an error can say more;
 * a test holds the two together.
 */

const group = z.lazy(() => z.array(condition).min(1).max(RULE_LIMITS.leaves));

const condition: z.ZodType<Condition> = z
  .union([leafSchema, z.strictObject({ all: group }), z.strictObject({ any: group })])
  .meta({
    id: 'Condition',
    description: `A comparison, or several of which all or any must hold: at most ${RULE_LIMITS.leaves}, nested at most ${RULE_LIMITS.depth} levels.`,
  });

export const newRule = z.strictObject({ ...headSchema.shape, when: condition }).meta({ id: 'NewRule' });

const { name, cooldownMs, expiresAt, data } = headSchema.shape;
/** null takes a member away. */
const removable = <T extends z.ZodType>(member: z.ZodExactOptional<T>) => member.unwrap().nullable().exactOptional();

export const ruleChange = z
  .strictObject({
    name: removable(name),
    when: condition.exactOptional(),
    cooldownMs: removable(cooldownMs),
    expiresAt,
    data: removable(data),
    enabled: z.boolean().exactOptional(),
  })
  .meta({ id: 'RuleChange' });
