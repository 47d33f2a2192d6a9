import { type StoredSignal, signalsByUser } from './signal.js';

/** Somebody has written signals of a user. */
export interface Hint {
  readonly userId: string;
  /** Of the newest. */
  readonly seq: number;
  /** Ascending, without holes, up to `seq`; empty where they are too large to be sent along. */
  readonly signals: readonly StoredSignal[];
}

export type HintListener = (hint: Hint) => void;

/**
 * News between nodes. Only a hint: what is told is in PostgreSQL already, and what is not told (or twice, or in another order) is found
 * there. Nothing here waits.
 */
export interface SignalHints {
  /** Committed signals, of any number of users. */
  publish(signals: readonly StoredSignal[]): void;
  /** Resolves when every later hint about the user will come. Rejects while it cannot be; it is wanted all the same. */
  subscribe(userId: string): Promise<void>;
  unsubscribe(userId: string): void;
  onHint(listener: HintListener): () => void;
  /** false: hints may be missing; when it is true again, those subscribed come again. */
  readonly up: boolean;
  onUp(listener: (up: boolean) => void): () => void;
}

/** By user, ascending. */
export function toHints(signals: readonly StoredSignal[]): Hint[] {
  return [...signalsByUser(signals)].map(([userId, own]) => {
    own.sort((a, b) => a.seq - b.seq);
    return { userId, seq: own.at(-1)?.seq ?? 0, signals: own };
  });
}

/** Within one process. */
export class LocalHints implements SignalHints {
  readonly up = true;
  readonly #wanted = new Set<string>();
  readonly #listeners = new Set<HintListener>();

  publish(signals: readonly StoredSignal[]): void {
    for (const hint of toHints(signals)) {
      if (!this.#wanted.has(hint.userId)) continue;
      for (const listener of this.#listeners) listener(hint);
    }
  }

  async subscribe(userId: string): Promise<void> {
    this.#wanted.add(userId);
  }

  unsubscribe(userId: string): void {
    this.#wanted.delete(userId);
  }

  onHint(listener: HintListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onUp(): () => void {
    return () => {};
  }
}
