/** Authenticated connections of a user, counted over all nodes. */
export interface ConnectionCounter {
  /** Counts one more. false: the user has `limit` already. Never rejects: what cannot be asked is decided by this node alone. */
  take(userId: string, limit: number): Promise<boolean>;
  /** One less; to be called once for each `take` that gave true. */
  release(userId: string): void;
}

/** Of this process alone. */
export class LocalConnectionCounter implements ConnectionCounter {
  readonly #counts = new Map<string, number>();

  take(userId: string, limit: number): Promise<boolean> {
    const count = this.#counts.get(userId) ?? 0;
    if (count >= limit) return Promise.resolve(false);
    this.#counts.set(userId, count + 1);
    return Promise.resolve(true);
  }

  release(userId: string): void {
    const count = (this.#counts.get(userId) ?? 0) - 1;
    if (count > 0) this.#counts.set(userId, count);
    else this.#counts.delete(userId);
  }
}
