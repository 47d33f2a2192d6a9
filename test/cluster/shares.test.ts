import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Sharer, type Shares, toGive, toTake } from '../../src/cluster/shares.js';

const names = (count: number) => Array.from({ length: count }, (_, i) => `p${i}`);

/** Partition holders: an index of a node, or null = free. */
const situation = fc.record({
  nodes: fc.integer({ min: 1, max: 6 }),
  held: fc.array(fc.option(fc.nat(7)), { minLength: 1, maxLength: 20 }),
});

/** Nodes that want everything; holders beyond them are dead. */
function sharesOf(nodes: number, held: readonly (number | null)[]): Shares {
  const partitions = names(held.length);
  const holders = new Map(partitions.flatMap((p, i) => (held[i] == null ? [] : [[p, `n${held[i]}`]])));
  return { partitions, holders, nodes: Array.from({ length: nodes }, (_, i) => ({ id: `n${i}`, wants: partitions })) };
}

const heldBy = ({ holders }: Shares, id: string) => [...holders.values()].filter((holder) => holder === id).length;

describe('who takes what is free', () => {
  it('every free partition is exactly one node’s', () => {
    fc.assert(
      fc.property(situation, ({ nodes, held }) => {
        const shares = sharesOf(nodes, held);
        const taken = shares.nodes.flatMap(({ id }) => toTake(id, shares));
        expect(taken.sort()).toEqual(shares.partitions.filter((p) => !shares.holders.has(p)).sort());
      }),
    );
  });

  it('nobody takes more than its share', () => {
    fc.assert(
      fc.property(situation, ({ nodes, held }) => {
        const shares = sharesOf(nodes, held);
        for (const { id } of shares.nodes) {
          const taken = toTake(id, shares).length;
          if (taken > 0) expect(heldBy(shares, id) + taken).toBeLessThanOrEqual(Math.ceil(held.length / nodes));
        }
      }),
    );
  });

  it('passes over who does not want it, and leaves what nobody wants', () => {
    const shares = { ...sharesOf(2, [null, null, null]), nodes: [wanting('n0', 'p1'), wanting('n1')] };
    expect([toTake('n0', shares), toTake('n1', shares)]).toEqual([['p1'], []]);
  });
});

describe('who gives back', () => {
  it('nobody while something is free', () => {
    expect(toGive('n0', sharesOf(2, [0, 0, 0, 0, null]))).toBeNull();
  });

  it('nobody when no two differ by two', () => {
    const shares = sharesOf(3, [0, 0, 1, 1, 2]);
    expect(shares.nodes.map(({ id }) => toGive(id, shares))).toEqual([null, null, null]);
  });

  it('the richest, one of its own', () => {
    const shares = sharesOf(3, [0, 0, 0, 1, 1, 1, 1, 2]);
    expect(shares.nodes.map(({ id }) => toGive(id, shares))).toEqual([null, 'p6', null]);
  });

  it('only what the poor one wants, whoever of the rich has it', () => {
    const shares = {
      ...sharesOf(3, [0, 0, 0, 1, 1, 1, 1]),
      nodes: [wanting('n0'), wanting('n1'), wanting('n2', 'p1')],
    };
    expect(shares.nodes.map(({ id }) => toGive(id, shares))).toEqual(['p1', null, null]);
  });
});

describe('any beginning', () => {
  it('comes to rest balanced, with everything owned, when nodes act on views of their own age', () => {
    fc.assert(
      fc.property(situation, fc.infiniteStream(fc.nat(1000)), ({ nodes, held }, chance) => {
        const alive = held.map((holder) => (holder === null || holder >= nodes ? null : holder));
        const end = settle(sharesOf(nodes, alive), () => chance.next().value);
        const counts = end.nodes.map(({ id }) => heldBy(end, id));
        expect(end.holders.size).toBe(held.length);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      }),
    );
  });
});

function wanting(id: string, ...wants: readonly string[]): Sharer {
  return { id, wants };
}

/** Nodes look and act in random order, on what they saw last; taking is atomic, as in Redis. */
function settle(start: Shares, random: () => number): Shares {
  const holders = new Map(start.holders);
  const views = new Map<string, Shares>();
  const nodes = [...start.nodes];
  for (let step = 0; step < 4000; step++) {
    const { id } = nodes[random() % nodes.length] as Sharer;
    const view = views.get(id);
    if (view === undefined || random() % 2 === 0) {
      views.set(id, { ...start, holders: new Map(holders) });
      continue;
    }
    const [take] = toTake(id, view);
    const give = toGive(id, view);
    if (take !== undefined && !holders.has(take)) holders.set(take, id);
    if (give !== null && holders.get(give) === id) holders.delete(give);
    views.delete(id);
  }
  return { ...start, holders };
}
