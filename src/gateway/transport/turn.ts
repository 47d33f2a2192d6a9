export interface Flushable {
  flush(): void;
}

/** Collects who has something to write and flushes each once, when the callbacks of this turn of the loop have run. */
export class Turn {
  #dirty: Flushable[] = [];
  #scheduled = false;

  /** Callers add themselves once between two flushes. */
  add(item: Flushable): void {
    this.#dirty.push(item);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#run());
  }

  #run(): void {
    const items = this.#dirty;
    this.#dirty = [];
    this.#scheduled = false;
    for (const item of items) item.flush();
  }
}
