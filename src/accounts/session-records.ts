import type { Log } from '../kit/log.js';
import type { Session, Sessions } from './sessions.js';

/** `session:{user_id}`: the latest session of a user, for whoever reads Redis. Nothing of ours depends on it. */
export interface SessionStore {
  put(userId: string, record: SessionRecord): Promise<void>;
  remove(userId: string): Promise<void>;
}

export interface SessionRecord {
  /** SHA-256 of the refresh token, hex: nobody can log in with it. */
  readonly token: string;
  /** Epoch ms. */
  readonly expiry: number;
}

/** Keeps the records after the database, without anybody waiting for it. */
export class SessionRecords {
  #writing: Promise<unknown> = Promise.resolve();

  /** @param store null: nowhere */
  constructor(
    private readonly store: SessionStore | null,
    private readonly sessions: Sessions,
    private readonly log: Log,
  ) {}

  put({ userId, tokenHash, expiresAt }: Pick<Session, 'userId' | 'tokenHash' | 'expiresAt'>): void {
    this.#write(async (store) => store.put(userId, { token: tokenHash.toString('hex'), expiry: expiresAt }));
  }

  /** Sessions of the user have ended. */
  renew(userId: string): void {
    this.#write(async (store) => {
      const latest = await this.sessions.latest(userId);
      if (latest === null) return store.remove(userId);
      return store.put(userId, { token: latest.tokenHash.toString('hex'), expiry: latest.expiresAt });
    });
  }

  /** Resolves when what was begun has ended. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  #write(work: (store: SessionStore) => Promise<void>): void {
    const { store } = this;
    if (store === null) return;
    const done = work(store).catch((error: unknown) =>
      this.log.debug({ error: String(error) }, 'a session record was not kept'),
    );
    this.#writing = Promise.all([this.#writing, done]);
  }
}
