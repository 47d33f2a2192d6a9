import { fc, test } from '@fast-check/vitest';
import { describe, expect } from 'vitest';
import { newRule } from '../../../src/signals/rules/document.js';
import { parseRule } from '../../../src/signals/rules/parse.js';

const op = fc.constantFrom('above', 'below', 'crosses_above', 'touches', 'over');
const level = fc.constantFrom('1.5', '0', 'x', 3);
const period = fc.constantFrom(1, 2, 14, 200, 500, 501, 2.5, '14');
const leaf = fc.oneof(
  fc.record({ type: fc.constantFrom('price', 'prices'), op, level }),
  fc.record({ type: fc.constant('rsi'), period, op, level: fc.constantFrom(30, 101, '30') }),
  fc.record({ type: fc.constant('macd'), fast: period, slow: period, signal: period, op }),
  fc.record({
    type: fc.constant('bollinger'),
    period,
    deviations: fc.constantFrom(2, 0),
    band: fc.constantFrom('upper', 'middle'),
    op,
  }),
  fc.record(
    { type: fc.constant('atr'), period, op, level, percentOfClose: fc.constantFrom(1, -1) },
    { requiredKeys: ['type', 'period', 'op'] },
  ),
  fc.record({ type: fc.constant('volume'), period, factor: fc.constantFrom(2, 14, 0) }),
  fc.constantFrom(null, 1, 'price', {}, []),
);
const { condition } = fc.letrec<{ condition: unknown; group: unknown }>((tie) => ({
  condition: fc.oneof({ depthSize: 'small' }, leaf, tie('group')),
  group: fc.oneof(
    fc.record({ all: fc.array(tie('condition'), { maxLength: 3 }) }),
    fc.record({ any: fc.array(tie('condition'), { maxLength: 3 }) }),
    fc.record({ all: fc.array(tie('condition'), { maxLength: 1 }), extra: fc.constant(1) }),
  ),
}));
const rule = fc.record(
  {
    symbol: fc.constantFrom('BTCUSDT', 'btcusdt', ''),
    interval: fc.constantFrom('1m', '1M', '2m'),
    when: condition,
    name: fc.constantFrom('a', '', 'n'.repeat(100), 'n'.repeat(101), 1),
    cooldownMs: fc.constantFrom(0, 1, -1, 1e12),
    expiresAt: fc.constantFrom(1893456000000, null, 0, '1'),
    data: fc.constantFrom({}, { a: [1] }, null, [], 'x'),
    extra: fc.constant(1),
  },
  { requiredKeys: ['symbol', 'interval', 'when'] },
);
/** Bounds of the whole that no schema can tell. */
const BEYOND_SCHEMAS = /nested deeper|conditions; a rule may have/;

describe('a rule', () => {
  test.prop([rule], { numRuns: 1000 })('is described as it is read', (value) => {
    const read = parseRule(value);
    const isDescribed = newRule.safeParse(value).success;
    if (!('errors' in read)) expect(isDescribed).toBe(true);
    else if (!read.errors.every((error) => BEYOND_SCHEMAS.test(error))) expect(isDescribed).toBe(false);
  });
});
