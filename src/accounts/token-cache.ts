import type { Identity } from '../wire/identity.js';

interface Entry {
  readonly identity: Identity;
  readonly until: number;
}

/** Identities by the hash of their token, for a moment; the ones used least recently make room. */
export class TokenCache {
  readonly #entries = new Map<string, Entry>();
  readonly #ofUser = new Map<string, Set<string>>();

  constructor(private readonly max: number) {}

  get size(): number {
    return this.#entries.size;
  }

  get(hash: string, now: number): Identity | null {
    const entry = this.#entries.get(hash);
    if (entry === undefined) return null;
    this.#entries.delete(hash);
    this.#entries.set(hash, entry);
    if (entry.until > now) return entry.identity;
    this.#delete(hash, entry);
    return null;
  }

  put(hash: string, identity: Identity, until: number): void {
    const old = this.#entries.get(hash);
    if (old !== undefined) this.#delete(hash, old);
    this.#entries.set(hash, { identity, until });
    const hashes = this.#ofUser.get(identity.userId) ?? new Set();
    this.#ofUser.set(identity.userId, hashes.add(hash));
    if (this.#entries.size <= this.max) return;
    const [oldest] = this.#entries;
    if (oldest !== undefined) this.#delete(...oldest);
  }

  forget(userId: string): void {
    for (const hash of this.#ofUser.get(userId) ?? []) this.#entries.delete(hash);
    this.#ofUser.delete(userId);
  }

  #delete(hash: string, { identity }: Entry): void {
    this.#entries.delete(hash);
    const hashes = this.#ofUser.get(identity.userId);
    hashes?.delete(hash);
    if (hashes?.size === 0) this.#ofUser.delete(identity.userId);
  }
}
