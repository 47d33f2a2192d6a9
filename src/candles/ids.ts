/**
 * A set of trade ids as sorted disjoint ranges [from, to]. Contiguous ids, the rule at most venues, cost one range;
 * ascending ids cost O(1) each, others a binary search and a splice.
 */
export class IdSet {
  readonly #from: number[] = [];
  readonly #to: number[] = [];

  /** @returns false where the id was in the set already. */
  add(id: number): boolean {
    const last = this.#to.length - 1;
    if (last < 0 || id > (this.#to[last] as number)) {
      if (last >= 0 && id === (this.#to[last] as number) + 1) this.#to[last] = id;
      else {
        this.#from.push(id);
        this.#to.push(id);
      }
      return true;
    }
    return this.#insert(id);
  }

  #insert(id: number): boolean {
    const at = this.#firstEndingAtOrAfter(id);
    if ((this.#from[at] as number) <= id) return false;
    const joinsNext = (this.#from[at] as number) === id + 1;
    const joinsPrevious = at > 0 && (this.#to[at - 1] as number) === id - 1;
    if (joinsNext && joinsPrevious) {
      this.#to[at - 1] = this.#to[at] as number;
      this.#from.splice(at, 1);
      this.#to.splice(at, 1);
    } else if (joinsNext) this.#from[at] = id;
    else if (joinsPrevious) this.#to[at - 1] = id;
    else {
      this.#from.splice(at, 0, id);
      this.#to.splice(at, 0, id);
    }
    return true;
  }

  #firstEndingAtOrAfter(id: number): number {
    let low = 0;
    let high = this.#to.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#to[middle] as number) < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  clear(): void {
    this.#from.length = 0;
    this.#to.length = 0;
  }
}
