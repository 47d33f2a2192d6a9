/**
 * A set of trade ids as sorted disjoint ranges. Contiguous ids, the rule at most venues, cost one range; ascending ids
 * cost O(1) each, others a binary search and a splice.
 */
export class IdSet {
  /** Closed ranges as pairs: from, to, from, to, … */
  readonly #ranges: number[] = [];
  /** The highest range; empty while `#lastTo` is −1. */
  #lastFrom = -1;
  #lastTo = -1;

  /** @param id an integer >= 0. @returns false where it was in the set already. */
  add(id: number): boolean {
    const last = this.#lastTo;
    if (id <= last) return id < this.#lastFrom && this.#insert(id);
    if (id !== last + 1 || last < 0) {
      if (last >= 0) this.#ranges.push(this.#lastFrom, last);
      this.#lastFrom = id;
    }
    this.#lastTo = id;
    return true;
  }

  /** Below the highest range. */
  #insert(id: number): boolean {
    const ranges = this.#ranges;
    const at = this.#firstEndingAtOrAfter(id);
    if (at < ranges.length && (ranges[at] as number) <= id) return false;
    const joinsPrevious = at > 0 && ranges[at - 1] === id - 1;
    const joinsNext = (at < ranges.length ? ranges[at] : this.#lastFrom) === id + 1;
    if (joinsPrevious && joinsNext) {
      const [from = 0] = ranges.splice(at - 2, 2);
      this.#beginAt(at - 2, from);
    } else if (joinsNext) this.#beginAt(at, id);
    else if (joinsPrevious) ranges[at - 1] = id;
    else ranges.splice(at, 0, id, id);
    return true;
  }

  /** The range at place `at`, which is the highest one at the end, begins at `from` now. */
  #beginAt(at: number, from: number): void {
    if (at < this.#ranges.length) this.#ranges[at] = from;
    else this.#lastFrom = from;
  }

  /** Place of the first range with `to` >= id; the length where there is none. */
  #firstEndingAtOrAfter(id: number): number {
    let low = 0;
    let high = this.#ranges.length / 2;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranges[2 * middle + 1] as number) < id) low = middle + 1;
      else high = middle;
    }
    return 2 * low;
  }

  clear(): void {
    this.#ranges.length = 0;
    this.#lastFrom = -1;
    this.#lastTo = -1;
  }
}
