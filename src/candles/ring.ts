import { assert } from '../kit/assert.js';
import { clearSlot, OPEN_TIME, SLOT_SIZE } from './fold.js';

/** The latest `size` buckets of one fixed length, each a slot (see fold.ts). A newer bucket takes the place of the one `size` before it. */
export class Ring {
  readonly slots: Float64Array;
  readonly #size: number;
  readonly #mask: number;
  readonly #stepMs: number;
  #oldest = Number.POSITIVE_INFINITY;
  #newest = Number.NEGATIVE_INFINITY;

  /** @param size a power of two. */
  constructor(size: number, stepMs: number) {
    assert((size & (size - 1)) === 0, 'the size of a ring is a power of two');
    this.#mask = size - 1;
    this.slots = new Float64Array(size * SLOT_SIZE).fill(Number.NaN);
    this.#size = size;
    this.#stepMs = stepMs;
  }

  /** Index of the bucket's place, for what is kept beside the ring. */
  index(openTime: number): number {
    return ((openTime / this.#stepMs) | 0) & this.#mask;
  }

  /** Offset of the bucket's slot, or −1 where the ring does not hold it. */
  find(openTime: number): number {
    const at = this.index(openTime) * SLOT_SIZE;
    return this.slots[at + OPEN_TIME] === openTime ? at : -1;
  }

  /** Offset of the bucket's slot, cleared where it was not held. */
  take(openTime: number): number {
    const at = this.index(openTime) * SLOT_SIZE;
    if (this.slots[at + OPEN_TIME] !== openTime) clearSlot(this.slots, at, openTime);
    if (openTime < this.#oldest) this.#oldest = openTime;
    if (openTime > this.#newest) this.#newest = openTime;
    return at;
  }

  /** Open time from which on nothing that was taken has been overwritten. */
  get keptFrom(): number {
    return Math.max(this.#oldest, this.#newest - (this.#size - 1) * this.#stepMs);
  }

  /** True while nothing has been overwritten. */
  get whole(): boolean {
    return this.#newest - this.#oldest < this.#size * this.#stepMs;
  }
}
