import type { Position } from '../market/position.js';
import type { FeedListener, News } from './feed-types.js';
import { isExpired, type StoredSignal } from './signal.js';

/** One user's signals on this node: where it stands, and who listens. */
export class Follower {
  /** Those who follow, or are about to. */
  refs = 0;
  /** The newest that was told of; what lies between `seq` and it is to be read. */
  target = 0;
  /** Hints about the user come. */
  hinted = false;
  ready: Promise<void> | null = null;
  readonly listeners = new Set<FeedListener>();
  #seq: number | null = null;
  /** seq of the last news. */
  #last = 0;

  constructor(
    readonly userId: string,
    readonly epoch: number,
  ) {}

  /** Everything up to here was delivered; null: not known yet. */
  get seq(): number | null {
    return this.#seq;
  }

  get position(): Position {
    return { epoch: this.epoch, seq: this.#seq ?? 0 };
  }

  get isBehind(): boolean {
    return this.#seq !== null && this.#seq < this.target;
  }

  /** Begins, or begins anew, from here. */
  startAt(seq: number): void {
    this.#seq = seq;
    this.#last = seq;
  }

  /**
   * Delivers what is new of `signals` (ascending, everything there is between where it stands and `to`) that has not expired at `now`.
   * `onError`: a listener threw; the others go on.
   */
  advance(signals: readonly StoredSignal[], to: number, now: number, onError: (error: unknown) => void): void {
    const from = this.#seq;
    if (from === null || to <= from) return;
    const news: News[] = [];
    for (const signal of signals) {
      if (signal.seq <= from || isExpired(signal, now)) continue;
      news.push({ prev: this.#last, signal });
      this.#last = signal.seq;
    }
    this.#seq = to;
    for (const listener of [...this.listeners]) {
      try {
        listener(news, this.position);
      } catch (error) {
        onError(error);
      }
    }
  }
}
