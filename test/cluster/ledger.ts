/** What the owners do, and what they may not do. */

export interface Entry {
  readonly node: string;
  readonly partition: string;
  readonly what: 'take' | 'drop';
  readonly why: string;
}

/** Stands for PostgreSQL: gives out epochs, knows the one writer of a partition. Everything the nodes do goes through it. */
export class Ledger {
  readonly entries: Entry[] = [];
  /** Two that owned at once although the first could have known. */
  readonly violations: string[] = [];
  /** `node partition` of all that were taken and not dropped yet. */
  readonly #held = new Set<string>();
  readonly #owners = new Map<string, { readonly node: string; readonly epoch: number }>();
  /** Nodes that may not know what happens: dead, standing still, without Redis. */
  readonly #cutOff = new Set<string>();
  readonly #waiting = new Set<() => void>();
  #epoch = 0;

  take(node: string, partition: string): void {
    const before = this.#owners.get(partition);
    if (before !== undefined && !this.#cutOff.has(before.node))
      this.violations.push(`${node} took ${partition} while ${before.node} had it`);
    if (this.#held.has(`${node} ${partition}`)) this.violations.push(`${node} took ${partition} twice`);
    this.#held.add(`${node} ${partition}`);
    this.#owners.set(partition, { node, epoch: ++this.#epoch });
    this.#note({ node, partition, what: 'take', why: '' });
  }

  drop(node: string, partition: string, why: string): void {
    if (!this.#held.delete(`${node} ${partition}`))
      this.violations.push(`${node} dropped ${partition} without having it`);
    if (this.#owners.get(partition)?.node === node) this.#owners.delete(partition);
    this.#note({ node, partition, what: 'drop', why });
  }

  cutOff(node: string): void {
    this.#cutOff.add(node);
  }

  back(node: string): void {
    this.#cutOff.delete(node);
  }

  ownerOf(partition: string): string | undefined {
    return this.#owners.get(partition)?.node;
  }

  ownedBy(node: string): string[] {
    return [...this.#owners].filter(([, owner]) => owner.node === node).map(([partition]) => partition);
  }

  /** What the node took and did not drop. */
  heldBy(node: string): string[] {
    return [...this.#held].filter((held) => held.startsWith(`${node} `));
  }

  drops(why: string): string[] {
    return this.entries.filter((entry) => entry.what === 'drop' && entry.why === why).map(({ partition }) => partition);
  }

  /** Resolves when it is so; asked again after whatever happens. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        if (!condition()) return;
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
      check();
    });
  }

  /** Something else happened that a condition may depend on. */
  changed(): void {
    for (const check of [...this.#waiting]) check();
  }

  #note(entry: Entry): void {
    this.entries.push(entry);
    this.changed();
  }
}
