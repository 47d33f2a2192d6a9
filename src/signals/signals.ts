import { LATEST, noCache, type SignalCache } from './cache.js';
import type { Guard } from './guard.js';
import type { SignalHints } from './hints.js';
import type { Inserted, NewSignal, StoredSignal } from './signal.js';
import type { ListQuery, RequestKey, SignalSink, SignalStore } from './store.js';
import { type ListedSignal, toListed } from './wire.js';

export interface SignalsOptions {
  readonly store: SignalStore;
  readonly hints: SignalHints;
  readonly cache?: SignalCache;
}

export interface Listing {
  readonly signals: readonly ListedSignal[];
  /** PostgreSQL does not answer: these are the latest as they were known last. */
  readonly stale: boolean;
}

/** Signals of users: writes them to PostgreSQL, then tells the nodes. */
export class Signals implements SignalSink {
  readonly #store: SignalStore;
  readonly #hints: SignalHints;
  readonly #cache: SignalCache;

  constructor({ store, hints, cache = noCache }: SignalsOptions) {
    this.#store = store;
    this.#hints = hints;
    this.#cache = cache;
  }

  async publish(batch: readonly NewSignal[], guard?: Guard): Promise<Inserted> {
    const written = guard === undefined ? this.#store.insert(batch) : this.#store.insertGuarded(batch, guard);
    return this.#tell(await written);
  }

  /** The same batch under the same key is written once. @throws KeyReused, TooBusy */
  async publishOnce(batch: readonly NewSignal[], key: RequestKey): Promise<Inserted> {
    return this.#tell(await this.#store.insert(batch, key));
  }

  /** The newest first. The first page of all is answered from the cache while PostgreSQL is away. */
  async list(userId: string, query: ListQuery): Promise<Listing> {
    const isFirst = query.before === null && !query.unread && query.symbol === null;
    try {
      const signals = await this.#store.list(userId, query);
      if (isFirst && (signals.length < query.limit || signals.length >= LATEST)) this.#cache.keep(userId, signals);
      return { signals: signals.map(toListed), stale: false };
    } catch (error) {
      const latest = isFirst ? await this.#cache.latest(userId) : null;
      if (latest === null) throw error;
      return { signals: latest.slice(0, query.limit), stale: true };
    }
  }

  /** @returns null: the user has no such signal. */
  async markRead(userId: string, id: string): Promise<{ readonly readAt: number } | null> {
    return this.#changed(userId, await this.#store.markRead(userId, id));
  }

  /** Everything up to `seq` is read. @returns up to where it is now */
  async markReadTo(userId: string, seq: number): Promise<number> {
    return this.#changed(userId, await this.#store.markReadTo(userId, seq));
  }

  /** @returns whether the user had it. */
  async delete(userId: string, id: string): Promise<boolean> {
    return this.#changed(userId, await this.#store.delete(userId, id));
  }

  /** The user was deleted, and with it what PostgreSQL had. */
  forget(userId: string): void {
    this.#cache.drop(userId);
  }

  #tell(inserted: Inserted): Inserted {
    const stored: readonly StoredSignal[] = inserted.replayed ? [] : inserted.stored;
    if (stored.length > 0) this.#hints.publish(stored);
    return inserted;
  }

  #changed<T>(userId: string, result: T): T {
    this.#cache.drop(userId);
    return result;
  }
}
