/** Who takes which free partition, and who gives one back: pure, so that nodes with the same view agree without talking. */

/** A live ingest node. */
export interface Sharer {
  readonly id: string;
  /** The partitions it would take now. Empty: it takes none, but may give. */
  readonly wants: readonly string[];
}

/** What a beat showed. `holders`: partition → node id; not in it = free. */
export interface Shares {
  readonly partitions: readonly string[];
  readonly holders: ReadonlyMap<string, string>;
  readonly nodes: readonly Sharer[];
}

/** The free partitions that are `me`'s to take: each free one goes to the node that has fewest then, by id among equals. */
export function toTake(me: string, shares: Shares): string[] {
  const counts = countHeld(shares);
  const mine: string[] = [];
  for (const partition of shares.partitions) {
    if (shares.holders.has(partition)) continue;
    const taker = poorest(
      shares.nodes.filter(({ wants }) => wants.includes(partition)),
      counts,
    );
    if (taker === null) continue;
    counts.set(taker.id, count(counts, taker.id) + 1);
    if (taker.id === me) mine.push(partition);
  }
  return mine;
}

/**
 * The partition that `me` should hand over now, or null. One node gives at a time, the richest, and only while nothing is
 * free: so what was given arrives before the next is given.
 */
export function toGive(me: string, shares: Shares): string | null {
  if (shares.partitions.some((partition) => !shares.holders.has(partition))) return null;
  const counts = countHeld(shares);
  let giver: { id: string; partition: string } | null = null;
  for (const { id } of [...shares.nodes].sort(byId)) {
    if (giver !== null && count(counts, id) <= count(counts, giver.id)) continue;
    const partition = spare(id, shares, counts);
    if (partition !== null) giver = { id, partition };
  }
  return giver?.id === me ? giver.partition : null;
}

/** One of the node's own that a node with at least two fewer wants. */
function spare(id: string, { partitions, holders, nodes }: Shares, counts: ReadonlyMap<string, number>): string | null {
  const poor = nodes.filter((node) => count(counts, id) - count(counts, node.id) >= 2);
  const own = partitions.filter((partition) => holders.get(partition) === id);
  return own.findLast((partition) => poor.some(({ wants }) => wants.includes(partition))) ?? null;
}

function countHeld({ partitions, holders }: Shares): Map<string, number> {
  const counts = new Map<string, number>();
  for (const partition of partitions) {
    const holder = holders.get(partition);
    if (holder !== undefined) counts.set(holder, count(counts, holder) + 1);
  }
  return counts;
}

function poorest(nodes: readonly Sharer[], counts: ReadonlyMap<string, number>): Sharer | null {
  const [first] = [...nodes].sort((a, b) => count(counts, a.id) - count(counts, b.id) || byId(a, b));
  return first ?? null;
}

function count(counts: ReadonlyMap<string, number>, id: string): number {
  return counts.get(id) ?? 0;
}

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}
