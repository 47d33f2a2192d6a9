import { describe, expect, it } from 'vitest';
import { partitionOf } from '../../src/cluster/partitions.js';

describe('the partition of a symbol', () => {
  it('never changes: nodes of different versions agree', () => {
    expect(['BTCUSDT', 'ETHUSDT', 'XRPETH', 'A', ''].map(partitionOf)).toEqual(['p12', 'p0', 'p4', 'p12', 'p5']);
  });

  it('is one of sixteen, each used about as often', () => {
    const counts = new Map<string, number>();
    for (let i = 0; i < 1600; i++) {
      const partition = partitionOf(`SYM${i}USDT`);
      counts.set(partition, (counts.get(partition) ?? 0) + 1);
    }
    expect([...counts.keys()].sort()).toEqual(Array.from({ length: 16 }, (_, i) => `p${i}`).sort());
    expect(Math.max(...counts.values())).toBeLessThan(150);
    expect(Math.min(...counts.values())).toBeGreaterThan(50);
  });
});
