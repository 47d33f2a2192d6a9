/** Where the items of one consumer go. */
export interface Outlet<T> {
  /** Items that wait for their reader. */
  readonly waiting: number;
  /** In order. */
  push(items: readonly T[]): void;
  /** With an error, what waits is still read before it. */
  end(error: Error | null): void;
  /** Nothing more comes: what waits is still read. */
  finish(): void;
  /** Called when a reader has made room. */
  onRoom: (() => void) | null;
}

/** To a function, at once. */
export class Listener<T> implements Outlet<T> {
  readonly waiting = 0;
  onRoom: (() => void) | null = null;
  readonly #listener: (items: readonly T[]) => void;
  readonly #onEnd: (error: Error | null) => void;
  #ended = false;

  constructor(listener: (items: readonly T[]) => void, onEnd: (error: Error | null) => void) {
    this.#listener = listener;
    this.#onEnd = onEnd;
  }

  /** A listener that throws is told nothing more. */
  push(items: readonly T[]): void {
    if (this.#ended || items.length === 0) return;
    try {
      this.#listener(items);
    } catch (error) {
      this.end(error instanceof Error ? error : new Error(String(error)));
    }
  }

  end(error: Error | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd(error);
  }

  finish(): void {
    this.end(null);
  }
}

/** Whether `next` takes the place of `last`, which still waits. */
export type Supersedes<T> = (last: T, next: T) => boolean;

/** To a `for await`: in order, what is superseded while it waits left out. */
export class Stream<T> implements Outlet<T>, AsyncIterableIterator<T> {
  onRoom: (() => void) | null = null;
  readonly #begin: (stream: Stream<T>) => () => void;
  readonly #supersedes: Supersedes<T>;
  readonly #onTaken: ((item: T) => void) | undefined;
  #items: T[] = [];
  #head = 0;
  #reader: { resolve(result: IteratorResult<T>): void; reject(error: Error): void } | null = null;
  #stop: (() => void) | null = null;
  #ended = false;
  #error: Error | null = null;
  #given: T | null = null;

  /** @param begin called with the first `next`; what it returns stops it. `onTaken`: the reader asks for the one after the item. */
  constructor(begin: (stream: Stream<T>) => () => void, supersedes: Supersedes<T>, onTaken?: (item: T) => void) {
    this.#begin = begin;
    this.#supersedes = supersedes;
    this.#onTaken = onTaken;
  }

  get waiting(): number {
    return this.#items.length - this.#head;
  }

  push(items: readonly T[]): void {
    if (this.#ended) return;
    for (const item of items) this.#add(item);
  }

  end(error: Error | null): void {
    if (this.#ended) return;
    if (error === null) this.#items.length = this.#head = 0;
    this.#error = error;
    this.finish();
  }

  finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stop?.();
    const reader = this.#reader;
    this.#reader = null;
    if (reader !== null) this.#finish(reader.resolve, reader.reject);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#stop === null && !this.#ended) {
      this.#stop = () => {};
      this.#stop = this.#begin(this);
    }
    if (this.#given !== null) this.#onTaken?.(this.#given);
    this.#given = null;
    if (this.#head < this.#items.length) return Promise.resolve({ done: false, value: this.#take() });
    return new Promise((resolve, reject) => {
      if (this.#ended) this.#finish(resolve, reject);
      else this.#reader = { resolve, reject };
    });
  }

  /** Of `break`: what was given last was not dealt with, for all we know. */
  return(): Promise<IteratorResult<T>> {
    this.end(null);
    this.#error = null;
    this.#items.length = this.#head = 0;
    return Promise.resolve({ done: true, value: undefined });
  }

  #add(item: T): void {
    const reader = this.#reader;
    if (reader !== null) {
      this.#reader = null;
      this.#given = item;
      reader.resolve({ done: false, value: item });
      return;
    }
    const last = this.#items[this.#items.length - 1];
    const isLastWaiting = this.#items.length > this.#head && last !== undefined;
    if (isLastWaiting && this.#supersedes(last, item)) this.#items[this.#items.length - 1] = item;
    else this.#items.push(item);
  }

  #take(): T {
    const item = this.#items[this.#head++] as T;
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    this.#given = item;
    this.onRoom?.();
    return item;
  }

  #finish(resolve: (result: IteratorResult<T>) => void, reject: (error: Error) => void): void {
    const error = this.#error;
    this.#error = null;
    if (error === null) resolve({ done: true, value: undefined });
    else reject(error);
  }
}
