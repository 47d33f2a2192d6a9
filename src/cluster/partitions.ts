/** What ingest nodes divide among themselves: a partition is a set of symbols with one writer. */

const HASHED = 16;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** All symbols that are pushed: which they are is not known beforehand. */
export const PUSH_PARTITION = 'push';
/** Everything, where one process is alone. */
export const LOCAL_PARTITION = 'all';

/** What `partitionOf` may answer. */
export const SYMBOL_PARTITIONS: readonly string[] = Array.from({ length: HASHED }, (_, n) => `p${n}`);

/** All that a cluster may have. */
export const PARTITIONS: readonly string[] = [...SYMBOL_PARTITIONS, PUSH_PARTITION];

/** The partition of a symbol that FEEDS names: 'p0' to 'p15'. Must never change: nodes of different versions share a cluster. */
export function partitionOf(symbol: string): string {
  let hash = FNV_OFFSET;
  for (let i = 0; i < symbol.length; i++) hash = Math.imul(hash ^ symbol.charCodeAt(i), FNV_PRIME) >>> 0;
  return `p${hash % HASHED}`;
}
