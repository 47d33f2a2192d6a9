const MOST = 100_000;

/** Keys whose work failed and is to be done again; of more than `most` at a time some are left undone, and counted. */
export class Overdue {
  /** Since the start: keys that found no room. */
  leftUndone = 0;
  readonly #keys = new Set<string>();
  readonly #most: number;
  #redoing = false;

  constructor(most = MOST) {
    this.#most = most;
  }

  get size(): number {
    return this.#keys.size;
  }

  /** Does the work of a key; it is overdue where it rejects. @returns whether it was done. Never rejects. */
  async attempt(key: string, work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch {
      if (this.#keys.has(key) || this.#keys.size < this.#most) this.#keys.add(key);
      else this.leftUndone += 1;
      return false;
    }
  }

  /** Does again what is overdue, one after the other, the oldest first, up to the first that fails again. Never rejects. */
  async redo(work: (key: string) => Promise<unknown>): Promise<void> {
    if (this.#redoing) return;
    this.#redoing = true;
    try {
      for (const key of [...this.#keys]) {
        // What fails meanwhile is overdue anew.
        this.#keys.delete(key);
        if (!(await this.attempt(key, () => work(key)))) return;
      }
    } finally {
      this.#redoing = false;
    }
  }
}
