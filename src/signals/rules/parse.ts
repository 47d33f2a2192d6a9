import type { z } from 'zod';
import { isStorable, STORABLE_RULE } from '../../wire/storable.js';
import { type Condition, headSchema, leafSchema, RULE_LIMITS, type Rule } from './schema.js';

/** What is wrong with a rule, each with the place: `when.all[1].period must be an integer from 2 to 500`. */
export interface RuleErrors {
  readonly errors: readonly string[];
}

/** Reads a rule out of JSON. The result is canonical: equal conditions are equal texts. */
export function parseRule(value: unknown): Rule | RuleErrors {
  const errors: string[] = [];
  const head = headSchema.safeParse(isRecord(value) ? { ...value, when: undefined } : value);
  if (!head.success) errors.push(...messages(head.error, ''));
  const when = isRecord(value) ? readCondition(value.when, errors) : null;
  const data = isRecord(value) ? value.data : undefined;
  if (data !== undefined) checkData(data, errors);
  if (!head.success || when === null || errors.length > 0) return { errors };
  return { ...head.data, when };
}

/** Only the condition. */
export function parseCondition(value: unknown): Condition | RuleErrors {
  const errors: string[] = [];
  const condition = readCondition(value, errors);
  return condition === null || errors.length > 0 ? { errors } : condition;
}

function readCondition(value: unknown, errors: string[]): Condition | null {
  if (value === undefined) {
    errors.push('when is missing: it says when the rule fires');
    return null;
  }
  const reader = { errors, leaves: 0 };
  const condition = read(reader, value, 'when', 0);
  if (reader.leaves > RULE_LIMITS.leaves)
    errors.push(`when has ${reader.leaves} conditions; a rule may have ${RULE_LIMITS.leaves}`);
  return condition;
}

interface Reader {
  readonly errors: string[];
  leaves: number;
}

function read(reader: Reader, value: unknown, at: string, depth: number): Condition | null {
  if (isRecord(value) && ('all' in value || 'any' in value)) return readGroup(reader, value, at, depth + 1);
  reader.leaves += 1;
  if (reader.leaves > RULE_LIMITS.leaves) return null;
  const leaf = leafSchema.safeParse(value);
  if (leaf.success) return leaf.data;
  reader.errors.push(...messages(leaf.error, at));
  return null;
}

function readGroup(reader: Reader, value: Record<string, unknown>, at: string, depth: number): Condition | null {
  const kind = 'all' in value ? 'all' : 'any';
  const parts = value[kind];
  if (Object.keys(value).length !== 1)
    return refuse(reader, `${at} has more than "${kind}": put the rest into its list`);
  if (!Array.isArray(parts) || parts.length === 0)
    return refuse(reader, `${at}.${kind} must be a list of at least one condition`);
  if (depth > RULE_LIMITS.depth) return refuse(reader, `${at} is nested deeper than ${RULE_LIMITS.depth} levels`);
  if (parts.length > RULE_LIMITS.leaves)
    return refuse(reader, `${at}.${kind} has ${parts.length} conditions; a rule may have ${RULE_LIMITS.leaves}`);
  const conditions: Condition[] = [];
  for (const [index, part] of parts.entries()) {
    const condition = read(reader, part, `${at}.${kind}[${index}]`, depth);
    if (condition !== null) conditions.push(condition);
  }
  return kind === 'all' ? { all: conditions } : { any: conditions };
}

function refuse(reader: Reader, error: string): null {
  reader.errors.push(error);
  return null;
}

function checkData(data: unknown, errors: string[]): void {
  if (isDeeperThan(data, RULE_LIMITS.dataDepth))
    errors.push(`data is nested deeper than ${RULE_LIMITS.dataDepth} levels`);
  else if (Buffer.byteLength(JSON.stringify(data)) > RULE_LIMITS.dataBytes)
    errors.push(`data has more than ${RULE_LIMITS.dataBytes} bytes as JSON`);
  else if (!isStorable(data)) errors.push(`data ${STORABLE_RULE}`);
}

function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((part) => isDeeperThan(part, levels - 1));
}

function messages(error: z.ZodError, at: string): string[] {
  return error.issues.map((issue) => {
    // A type that is not known is said of the whole condition.
    const path = place(at, issue.code === 'invalid_union' && issue.path.at(-1) === 'type' ? [] : issue.path);
    if (issue.code === 'unrecognized_keys') return `${path || 'the rule'} has no ${issue.keys.map(quoted).join(', ')}`;
    return `${path || 'the rule'} ${issue.message}`;
  });
}

function place(at: string, path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    return text === '' ? String(key) : `${text}.${String(key)}`;
  }, at);
}

function quoted(key: string): string {
  return JSON.stringify(key.slice(0, 40));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
