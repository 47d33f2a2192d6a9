/** A JSON object, as a producer of signals makes it. */
export type SignalData = Readonly<Record<string, unknown>>;

/** Who made it: somebody who may publish, or a rule of the user's own. */
export type SignalSource = 'publisher' | 'rule';

/** A signal that is to be written for one user. */
export interface NewSignal {
  /** UUIDv7: `newSignalId()`. */
  readonly id: string;
  readonly userId: string;
  /** 1 to 50 characters. */
  readonly type: string;
  readonly symbol: string;
  readonly data: SignalData | null;
  /** Epoch ms; from then on it is not delivered as news any more. null = never. */
  readonly expiresAt: number | null;
  readonly source: SignalSource;
  readonly ruleId: string | null;
  readonly publisherId: string | null;
  /** Id of an earlier signal that this one puts right. */
  readonly corrects: string | null;
  /** Signals a day that the user's plan gives (UTC days); the same for all of one user in a batch. */
  readonly dailyLimit: number;
}

/** A signal as it is in PostgreSQL. */
export interface StoredSignal {
  readonly id: string;
  readonly userId: string;
  /** Place among the user's signals: 1, 2, 3 … in the order in which they were committed. */
  readonly seq: number;
  readonly type: string;
  readonly symbol: string;
  readonly data: SignalData | null;
  /** Epoch ms, as are the other times. */
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly readAt: number | null;
  readonly source: SignalSource;
  readonly ruleId: string | null;
  readonly publisherId: string | null;
  readonly corrects: string | null;
}

/**
 * - `unknown_user`: there is no such user (any more);
 * - `daily_limit`: the user has had as many signals on this UTC day as the plan gives;
 * - `guarded`: the guard of the batch did not let it pass.
 */
export type RefusalReason = 'unknown_user' | 'daily_limit' | 'guarded';

/** A signal of a batch that was not written. */
export interface Refusal {
  /** Index in the batch. */
  readonly place: number;
  readonly id: string;
  readonly userId: string;
  readonly reason: RefusalReason;
}

export interface Inserted {
  /** In the order of the batch. */
  readonly stored: readonly StoredSignal[];
  readonly refused: readonly Refusal[];
  /** The same request was answered before; this is what it was answered. Nothing was written now. */
  readonly replayed: boolean;
}

/** Not news any more at `now` (epoch ms). */
export function isExpired(signal: StoredSignal, now: number): boolean {
  return signal.expiresAt !== null && signal.expiresAt <= now;
}

export function signalsByUser(signals: readonly StoredSignal[]): Map<string, StoredSignal[]> {
  const byUser = new Map<string, StoredSignal[]>();
  for (const signal of signals) {
    const own = byUser.get(signal.userId);
    if (own === undefined) byUser.set(signal.userId, [signal]);
    else own.push(signal);
  }
  return byUser;
}

/** How far a follower of a user is. */
export interface Reached {
  readonly userId: string;
  readonly seq: number;
}

export interface Ack extends Reached {
  /** 1 to 64 characters. */
  readonly device: string;
}
