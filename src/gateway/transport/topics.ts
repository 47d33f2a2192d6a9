/** Who listens to what. A topic nobody listens to holds no memory. */
export class Topics<S> {
  readonly #subscribers = new Map<string, Set<S>>();

  get size(): number {
    return this.#subscribers.size;
  }

  subscribers(topic: string): ReadonlySet<S> | undefined {
    return this.#subscribers.get(topic);
  }

  add(topic: string, socket: S): void {
    const set = this.#subscribers.get(topic);
    if (set === undefined) this.#subscribers.set(topic, new Set([socket]));
    else set.add(socket);
  }

  remove(topic: string, socket: S): void {
    const set = this.#subscribers.get(topic);
    if (set?.delete(socket) && set.size === 0) this.#subscribers.delete(topic);
  }
}
