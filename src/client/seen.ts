/** More than the minutes in which a closed candle may still be corrected. */
export const HORIZON_CANDLES = 64;
const KEPT = 2 * HORIZON_CANDLES;

/** The latest closed candles that one consumer has got, by open time, in their revision. */
export class Seen {
  #last = Number.NEGATIVE_INFINITY;
  readonly #revisions = new Map<number, number>();
  readonly #gaps = new Set<string>();

  /** What opened up to then came in an earlier run. */
  startAfter(t: number): void {
    this.#last = Math.max(this.#last, t);
  }

  /** @returns whether it came before, in an older revision perhaps. */
  add(t: number, r: number): boolean {
    const isOld = t <= this.#last;
    if (!isOld) this.#last = t;
    this.#revisions.set(t, r);
    if (this.#revisions.size > KEPT) this.#revisions.delete(this.#oldest);
    return isOld;
  }

  /** It, or a later revision of it, came before. */
  has(t: number, r: number): boolean {
    const known = this.#revisions.get(t);
    if (known !== undefined) return known >= r;
    return t < this.#oldest && r === 0;
  }

  /** @returns whether it is news. */
  addGap(from: number, to: number): boolean {
    const gap = `${from}-${to}`;
    if (this.#gaps.has(gap)) return false;
    this.#gaps.add(gap);
    for (const oldest of this.#gaps) if (this.#gaps.size > KEPT) this.#gaps.delete(oldest);
    return true;
  }

  forget(): void {
    this.#last = Number.NEGATIVE_INFINITY;
    this.#revisions.clear();
    this.#gaps.clear();
  }

  get #oldest(): number {
    for (const t of this.#revisions.keys()) return t;
    return Number.NEGATIVE_INFINITY;
  }
}
