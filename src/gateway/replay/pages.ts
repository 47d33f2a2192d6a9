import type { Page } from './source.js';

/** Items of a store in order, read in pages: one is at hand while the next one is under way. */
export class Pages<T> {
  #items: Page<T> = [];
  #at = 0;
  #head: T | null = null;
  #last: T | null = null;
  #mayHaveMore = true;
  #next: Promise<Page<T>> | null = null;

  constructor(
    /** The next items after the one given, which was the last; fewer than `limit` are all there are. */
    private readonly read: (after: T | null) => Promise<Page<T>>,
    private readonly limit: number,
  ) {}

  /** `head` is known. */
  get ready(): boolean {
    return this.#at < this.#items.length || !this.#mayHaveMore;
  }

  /** The next item; null: there is none. */
  get head(): T | null {
    return this.#head;
  }

  take(): void {
    this.#head = this.#items.at(++this.#at) ?? null;
  }

  /** Resolves when it is ready. Rejects as `read` does. */
  async fill(): Promise<void> {
    if (this.ready) return;
    const items = await (this.#next ?? this.read(this.#last));
    this.#items = items;
    this.#at = 0;
    this.#head = items.at(0) ?? null;
    this.#mayHaveMore = items.length >= this.limit;
    this.#last = items.at(-1) ?? this.#last;
    this.#next = this.#mayHaveMore ? this.read(this.#last) : null;
    // Whoever waits for it gets the rejection.
    this.#next?.catch(() => undefined);
  }
}
