import type { Clock } from '../kit/clock.js';
import type { Follower } from './follower.js';
import { type StoredSignal, signalsByUser } from './signal.js';
import type { SignalStore } from './store.js';

export interface CatchUpOptions {
  readonly store: SignalStore;
  readonly clock: Clock;
  /** Whether PostgreSQL answered. */
  onDatabase(up: boolean): void;
  /** A listener threw. */
  onError(error: unknown): void;
}

const FOLLOWERS_A_QUERY = 64;
const SIGNALS_EACH = 64;
const RETRY_MS = 250;

/** Reads what followers miss, for many of them in one query, one query at a time. */
export class CatchUp {
  readonly #options: CatchUpOptions;
  readonly #behind = new Set<Follower>();
  #running = false;
  #stopped = false;
  #cancelPause: () => void = () => {};

  constructor(options: CatchUpOptions) {
    this.#options = options;
  }

  /** Does nothing where nothing is missing. */
  add(follower: Follower): void {
    if (!follower.isBehind || this.#stopped) return;
    this.#behind.add(follower);
    if (!this.#running) void this.#run();
  }

  stop(): void {
    this.#stopped = true;
    this.#behind.clear();
    this.#cancelPause();
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#behind.size > 0 && !this.#stopped) {
      const some = this.#take();
      if (some.length === 0) continue;
      const read = await this.#read(some);
      this.#options.onDatabase(read);
      if (read) continue;
      for (const follower of some) this.#behind.add(follower);
      await this.#pause();
    }
    this.#running = false;
  }

  /** Nobody waits any more for those that nobody follows. */
  #take(): readonly Follower[] {
    const some: Follower[] = [];
    for (const follower of this.#behind) {
      this.#behind.delete(follower);
      if (follower.refs > 0 && follower.isBehind) some.push(follower);
      if (some.length === FOLLOWERS_A_QUERY) break;
    }
    return some;
  }

  /** What was told of before is committed, so that the answer has everything up to it that was not deleted. */
  async #read(followers: readonly Follower[]): Promise<boolean> {
    const { store, clock, onError } = this.#options;
    const asked = followers.map((follower) => ({
      follower,
      userId: follower.userId,
      seq: follower.seq ?? 0,
      to: follower.target,
    }));
    let rows: readonly StoredSignal[];
    try {
      rows = await store.sinceMany(asked, SIGNALS_EACH);
    } catch {
      return false;
    }
    const byUser = signalsByUser(rows);
    for (const { follower, userId, seq, to } of asked) {
      const own = byUser.get(userId) ?? [];
      const last = own.at(-1)?.seq ?? seq;
      // What it was asked from is not where it stands any more: it began anew.
      if ((follower.seq ?? 0) < seq) continue;
      follower.advance(own, own.length < SIGNALS_EACH ? Math.max(last, to) : last, clock.now(), onError);
      this.add(follower);
    }
    return true;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(RETRY_MS, resolve);
      this.#cancelPause = () => {
        cancel();
        resolve();
      };
    });
  }
}
