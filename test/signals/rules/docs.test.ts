import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseRule } from '../../../src/signals/rules/parse.js';
import type { Condition, Rule } from '../../../src/signals/rules/schema.js';
import { realMinutes } from './candles.js';
import { offlineFirings } from './offline.js';
import { activeRule, Standing, takeOver } from './standing.js';

const text = readFileSync(new URL('../../../docs/rules.md', import.meta.url), 'utf8');
const examples = [...text.matchAll(/```json\n([\s\S]*?)```/g)].map(([, json = '']) => json);
const minutes = realMinutes();

function kinds(condition: Condition): string[] {
  if ('all' in condition) return condition.all.flatMap(kinds);
  return 'any' in condition ? condition.any.flatMap(kinds) : [condition.type];
}

test.each(examples)('example %# is a rule, and fires as the formulas say', (example) => {
  const rule = parseRule(JSON.parse(example));
  if ('errors' in rule) throw new Error(rule.errors.join('; '));
  const standing = new Standing();
  const { when, cooldownMs = 0, expiresAt = null } = rule;
  const active = [activeRule('rule', { when, cooldownMs, expiresAt })];
  standing.add(takeOver('1m', minutes, active, standing, { openTime: 0, seq: 0 }).firings);
  expect(standing.of('rule')).toEqual(offlineFirings(rule, minutes));
  expect(standing.of('rule').length).toBeGreaterThan(0);
});

test('there is an example of every condition', () => {
  const rules = examples.map((example) => JSON.parse(example) as Rule);
  const shown = new Set(rules.flatMap(({ when }) => kinds(when)));
  expect([...shown].sort()).toEqual(['atr', 'average', 'bollinger', 'change', 'macd', 'price', 'rsi', 'volume']);
});
