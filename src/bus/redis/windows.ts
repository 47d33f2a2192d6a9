import type { HotWindow } from '../../market/event.js';
import type { Interval } from '../../market/interval.js';
import type { Outbox } from './outbox.js';

/** Answers with the published state, consistent with what `publish` has been given so far; null: no such symbol here. */
export type WindowOf = (symbol: string, interval: Interval) => Promise<HotWindow | null>;

const AT_ONCE = 16;

/** Loads windows for outboxes, a few at a time, those that somebody listens to first. */
export class Windows {
  readonly #windowOf: WindowOf;
  readonly #onWindow: (outbox: Outbox, window: HotWindow) => void;
  /** It cannot be had now. */
  readonly #onRefused: (outbox: Outbox) => void;
  readonly #first = new Set<Outbox>();
  readonly #rest = new Set<Outbox>();
  readonly #loading = new Set<Outbox>();
  /** Asked for while it was loading: what is loaded may be older than the question. */
  readonly #again = new Set<Outbox>();
  /** How many may begin; less than all while what is loaded cannot be stored. */
  allowed = Number.POSITIVE_INFINITY;

  constructor(
    windowOf: WindowOf,
    onWindow: (outbox: Outbox, window: HotWindow) => void,
    onRefused: (outbox: Outbox) => void,
  ) {
    this.#windowOf = windowOf;
    this.#onWindow = onWindow;
    this.#onRefused = onRefused;
  }

  get isIdle(): boolean {
    return this.#loading.size === 0 && this.#first.size === 0 && this.#rest.size === 0;
  }

  want(outbox: Outbox, isWanted: boolean): void {
    if (this.#loading.has(outbox)) this.#again.add(outbox);
    else {
      (isWanted ? this.#first : this.#rest).add(outbox);
      if (isWanted) this.#rest.delete(outbox);
    }
    this.run();
  }

  forget(outbox: Outbox): void {
    this.#first.delete(outbox);
    this.#rest.delete(outbox);
    this.#again.delete(outbox);
  }

  run(): void {
    while (this.#loading.size < AT_ONCE && this.allowed > 0) {
      const [next] = this.#first.size > 0 ? this.#first : this.#rest;
      if (next === undefined) return;
      this.#first.delete(next);
      this.#rest.delete(next);
      this.allowed--;
      this.#loading.add(next);
      void this.#load(next);
    }
  }

  async #load(outbox: Outbox): Promise<void> {
    try {
      const window = await this.#windowOf(outbox.symbol, outbox.interval);
      this.#loading.delete(outbox);
      // What has none yet has nothing to store; its first event asks again.
      if (window !== null) this.#onWindow(outbox, window);
    } catch {
      this.#loading.delete(outbox);
      this.#onRefused(outbox);
    }
    if (this.#again.delete(outbox) && outbox.needsWindow) this.#first.add(outbox);
    this.run();
  }
}
