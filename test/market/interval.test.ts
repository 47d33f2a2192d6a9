import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bucketBack, bucketEnd, bucketStart, INTERVALS } from '../../src/market/interval.js';

const at = (text: string) => Date.parse(text);

describe('buckets', () => {
  it('begin where the calendar says', () => {
    expect(bucketStart('1w', at('2024-02-29T12:00:00Z'))).toBe(at('2024-02-26T00:00:00Z'));
    expect(new Date(bucketStart('1w', at('2024-03-03T23:59:59.999Z'))).getUTCDay()).toBe(1);
    expect(bucketStart('1w', at('2024-03-04T00:00:00Z'))).toBe(at('2024-03-04T00:00:00Z'));
    expect(bucketStart('1M', at('2024-02-29T23:59:59Z'))).toBe(at('2024-02-01T00:00:00Z'));
    expect(bucketEnd('1M', at('2023-12-01T00:00:00Z'))).toBe(at('2024-01-01T00:00:00Z'));
    expect(bucketBack('1M', at('2024-01-01T00:00:00Z'), 13)).toBe(at('2022-12-01T00:00:00Z'));
    expect(bucketStart('3d', at('1970-01-06T23:00:00Z'))).toBe(at('1970-01-04T00:00:00Z'));
    expect(bucketStart('8h', at('2024-01-01T15:59:59Z'))).toBe(at('2024-01-01T08:00:00Z'));
  });

  it('hold every time once and follow each other', () => {
    const time = fc.integer({ min: at('1970-01-01T00:00:00Z'), max: at('2099-12-31T23:59:59Z') });
    fc.assert(
      fc.property(fc.constantFrom(...INTERVALS), time, (interval, timeMs) => {
        const start = bucketStart(interval, timeMs);
        const end = bucketEnd(interval, start);
        expect(start <= timeMs && timeMs < end).toBe(true);
        expect(bucketStart(interval, start)).toBe(start);
        expect(bucketStart(interval, end)).toBe(end);
        expect(bucketStart(interval, end - 1)).toBe(start);
        expect(bucketBack(interval, end, 1)).toBe(start);
      }),
    );
  });
});
