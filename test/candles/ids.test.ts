import fc from 'fast-check';
import { expect, it } from 'vitest';
import { IdSet } from '../../src/candles/ids.js';

it('takes every id once, in whatever order and however scattered', () => {
  const ids = fc.array(fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: Number.MAX_SAFE_INTEGER })), { maxLength: 120 });
  fc.assert(
    fc.property(ids, (list) => {
      const set = new IdSet();
      const seen = new Set<number>();
      for (const id of list) {
        expect(set.add(id)).toBe(!seen.has(id));
        seen.add(id);
      }
      set.clear();
      expect(list.length === 0 || set.add(list[0] ?? 0)).toBe(true);
    }),
    { numRuns: 500 },
  );
});
