import type { StoredSignal } from './signal.js';
import type { ListedSignal } from './wire.js';

/** Signals of a user that are kept at most. */
export const LATEST = 50;

/**
 * The latest signals of users (`signals:{user_id}`), for when PostgreSQL does not answer, and for other programs. It may be old:
 * whoever answers from it says so.
 */
export interface SignalCache {
  /** The newest first; null: not known. */
  latest(userId: string): Promise<readonly ListedSignal[] | null>;
  /** What PostgreSQL answered: the newest first, from the very newest; the latest, or all there are. */
  keep(userId: string, signals: readonly StoredSignal[]): void;
  /** Something of the user's changed, or the user is gone. */
  drop(userId: string): void;
}

/** Where there is no Redis. */
export const noCache: SignalCache = { latest: async () => null, keep: () => {}, drop: () => {} };
