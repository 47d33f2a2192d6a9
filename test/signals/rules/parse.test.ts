import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseRule } from '../../../src/signals/rules/parse.js';
import { RULE_LIMITS } from '../../../src/signals/rules/schema.js';
import { MANY_RULES } from './many-rules.js';

const price = { type: 'price', op: 'above', level: '1' };
const rule = (when: unknown, more: object = {}) => ({ symbol: 'BTCUSDT', interval: '1m', when, ...more });
const nested = (levels: number): unknown => (levels === 0 ? price : { all: [nested(levels - 1)] });

test.each(MANY_RULES)('rule %# is accepted as it is', (one) => {
  expect(parseRule(rule(one.when, { cooldownMs: one.cooldownMs ?? 0 }))).toMatchObject({ when: one.when });
});

test('levels are canonical', () => {
  expect(parseRule(rule({ ...price, level: '007.500' }))).toMatchObject({ when: { level: '7.5' } });
  expect(parseRule(rule({ ...price, level: '100' }))).toMatchObject({ when: { level: '100' } });
});

describe('refusals say where and what would be right', () => {
  test.each<[string, unknown, RegExp]>([
    ['nothing', null, /^the rule /],
    ['no condition', { symbol: 'X', interval: '1m' }, /^when is missing/],
    ['a symbol', { ...rule(price), symbol: 'btc usdt' }, /^symbol must be 1 to 50/],
    ['an interval', { ...rule(price), interval: '7m' }, /^interval must be one of 1m 3m/],
    ['another member', rule(price, { cooldown: 1 }), /^the rule has no "cooldown"/],
    ['an unknown type', rule({ type: 'magic' }), /^when must be \{"all"/],
    ['an op', rule({ ...price, op: '>' }), /^when\.op must be one of above, below/],
    ['a number as a level', rule({ ...price, level: 1 }), /^when\.level must be a decimal string/],
    ['a level that is none', rule({ ...price, level: '1e5' }), /^when\.level must be a decimal string/],
    ['a member of a leaf', rule({ ...price, percent: 3 }), /^when has no "percent"/],
    [
      'a place in a list',
      rule({ all: [price, { any: [{ type: 'rsi', period: 1, op: 'above', level: 70 }] }] }),
      /^when\.all\[1\]\.any\[0\]\.period must be an integer from 2 to 200$/,
    ],
    ['an empty list', rule({ any: [] }), /^when\.any must be a list of at least one/],
    ['two groups', rule({ any: [price], all: [price] }), /^when has more than "all"/],
    [
      'fast above slow',
      rule({ type: 'macd', fast: 26, slow: 12, signal: 9, op: 'crosses_above' }),
      /^when\.fast must be smaller than slow$/,
    ],
    [
      'both levels of an ATR',
      rule({ type: 'atr', period: 14, op: 'above', level: '1', percentOfClose: 1 }),
      /^when needs either level or percentOfClose$/,
    ],
    [
      'a factor that no candle reaches',
      rule({ type: 'volume', period: 5, factor: 5 }),
      /^when\.factor must be smaller than period/,
    ],
    [
      'an average of nothing',
      rule({ type: 'average', average: { kind: 'wma', period: 5 }, op: 'above', than: 'price' }),
      /^when\.average\.kind must be sma or ema$/,
    ],
    [
      'infinity',
      rule({ type: 'rsi', period: 14, op: 'above', level: Number.POSITIVE_INFINITY }),
      /^when\.level must be a number from 0 to 100$/,
    ],
    ['too deep', rule(nested(RULE_LIMITS.depth + 1)), /nested deeper than 4 levels$/],
    [
      'too many',
      rule({ all: Array.from({ length: 3 }, () => ({ any: Array.from({ length: 7 }, () => price) })) }),
      /a rule may have 20$/,
    ],
    ['much data', rule(price, { data: { a: 'x'.repeat(3000) } }), /^data has more than 2048 bytes/],
    ['deep data', rule(price, { data: { a: [[[[[[[[[]]]]]]]]] } }), /^data is nested deeper than 8/],
    ['a character that PostgreSQL has not', rule(price, { data: { a: '\0' } }), /^data must not contain/],
    ['half a character', rule(price, { data: { a: ['x\ud83d'] } }), /^data must not contain .* half of a surrogate/],
    ['half a character as a key', rule(price, { data: { '\udc00': 1 } }), /^data must not contain/],
    ['half a character in its name', rule(price, { name: 'x\ud83d' }), /^name must not contain/],
    ['a long cooldown', rule(price, { cooldownMs: 1e12 }), /^cooldownMs must be an integer from 0 to/],
    [
      'a date as text',
      rule(price, { expiresAt: '2030-01-01' }),
      /^expiresAt must be epoch milliseconds, at most 253402300799999$/,
    ],
    ['a time after all', rule(price, { expiresAt: 8.64e15 }), /^expiresAt must be epoch milliseconds, at most/],
  ])('%s', (_name, value, message) => {
    const result = parseRule(value);
    expect(result).toHaveProperty('errors');
    expect((result as { errors: readonly string[] }).errors.join('\n')).toMatch(new RegExp(message.source, 'm'));
  });

  test('whole characters, and escapes that are text, are allowed', () => {
    const data = { a: '\ud83d\ude00', b: '\\u0000', c: '\\\\ud800', d: '\u2028' };
    expect(parseRule(rule(price, { name: '\ud83d\ude00', data }))).toMatchObject({ name: '\ud83d\ude00', data });
  });

  test('as deep as allowed is allowed', () => {
    expect(parseRule(rule(nested(RULE_LIMITS.depth)))).not.toHaveProperty('errors');
  });
});

test('whatever is sent, there is a rule or a list of what is wrong, and it is short', () => {
  const condition = fc.letrec((tie) => ({
    node: fc.oneof(
      { depthSize: 'small' },
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom(...MANY_RULES.map(({ when }) => when)),
      fc.record({ all: fc.array(tie('node'), { maxLength: 4 }) }),
      fc.record({ any: fc.array(tie('node'), { maxLength: 4 }) }),
    ),
  })).node;
  fc.assert(
    fc.property(
      fc.record(
        {
          symbol: fc.constantFrom('X', ''),
          interval: fc.constantFrom('1m', '2m'),
          when: condition,
          data: fc.jsonValue(),
        },
        { requiredKeys: ['when'] },
      ),
      (value) => {
        const result = parseRule(value);
        if ('errors' in result) expect(result.errors.length).toBeGreaterThan(0);
        else {
          // As texts: JSON writes -0 as 0.
          const text = JSON.stringify(result);
          expect(JSON.stringify(parseRule(JSON.parse(text)))).toBe(text);
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('a tower of lists is refused before it is climbed', () => {
  let tower: unknown = price;
  for (let i = 0; i < 5000; i++) tower = { all: [tower] };
  expect(parseRule(rule(tower))).toHaveProperty('errors');
  expect(parseRule(rule(price, { data: { a: tower } }))).toHaveProperty('errors');
});
