import type { Position } from '../market/position.js';
import type { StoredSignal } from './signal.js';

/**
 * The signals of users, for those who hold their connections.
 *
 * To go on from a position: `follow` first and keep what its listener gets; then `since(userId, seq)` until
 * `following.position`, then what was kept, leaving out every `seq` that was delivered already. Nothing is missing and
 * nothing comes twice. `seq`s may be left out (deleted or expired signals): what joins is `prev`, never `seq - 1`.
 */
export interface SignalFeed {
  /** Of the user's newest signal; seq 0: there is none. Rejects with SignalsUnavailable. */
  head(userId: string): Promise<Position>;
  /**
   * Everything after `seq` that has not expired, ascending, in pages, however long ago. Reads the next page when it is asked for.
   * Ends with a page (may be empty) whose `position` is where it got to. Rejects with SignalsUnavailable.
   */
  since(userId: string, seq: number): AsyncIterable<Page>;
  /** Rejects with SignalsUnavailable; then nothing is followed. */
  follow(userId: string, listener: FeedListener): Promise<Following>;
  /** The device has everything up to `seq`. Cumulative: an older one changes nothing. @returns what is stored now */
  ack(userId: string, device: string, seq: number): Promise<number>;
  /** The last `seq` that the device acknowledged; 0: none. */
  acked(userId: string, device: string): Promise<number>;
  /** Nothing is known to be late: what is committed arrives at once. false: only by asking the database now and then. */
  readonly up: boolean;
  onUp(listener: (up: boolean) => void): () => void;
}

export interface Following {
  /** Everything after it comes to the listener; what comes before it is to be read with `since`. */
  readonly position: Position;
  stop(): void;
}

/**
 * Gets what is new of a user, in the order of `seq`, each once. `position` is where the user's channel stands after it: it
 * may grow without news (expired signals). Must not throw; what it throws is logged.
 */
export type FeedListener = (news: readonly News[], position: Position) => void;

export interface News {
  /** seq of what was delivered before it; a receiver whose last seq is smaller has missed something. */
  readonly prev: number;
  readonly signal: StoredSignal;
}

export interface Page {
  readonly signals: readonly StoredSignal[];
  /** Everything up to here was in this page or an earlier one. */
  readonly position: Position;
}

/** The database cannot be asked now; try again later. */
export class SignalsUnavailable extends Error {
  override readonly name = 'SignalsUnavailable';
}
