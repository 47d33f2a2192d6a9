import type { Log } from '../kit/log.js';
import { Overdue } from '../kit/overdue.js';
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

/** Keeps the records after the database, without anybody waiting for it. What could not be written is written later. */
export class SessionRecords {
  /** Users whose record is not as the database has it. */
  readonly overdue = new Overdue();
  #writing: Promise<unknown> = Promise.resolve();

  /** @param store null: nowhere */
  constructor(
    private readonly store: SessionStore | null,
    private readonly sessions: Sessions,
    private readonly log: Log,
  ) {}

  put({ userId, tokenHash, expiresAt }: Pick<Session, 'userId' | 'tokenHash' | 'expiresAt'>): void {
    this.#write(userId, async (store) => store.put(userId, { token: tokenHash.toString('hex'), expiry: expiresAt }));
  }

  /** Sessions of the user have ended. */
  renew(userId: string): void {
    this.#write(userId, (store) => this.#renew(store, userId));
  }

  /** Writes what could not be written, as far as it can be now. */
  redo(): void {
    const { store } = this;
    if (store !== null) this.#follow(this.overdue.redo((userId) => this.#renew(store, userId)));
  }

  /** Resolves when what was begun has ended. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  async #renew(store: SessionStore, userId: string): Promise<void> {
    const latest = await this.sessions.latest(userId);
    if (latest === null) return store.remove(userId);
    return store.put(userId, { token: latest.tokenHash.toString('hex'), expiry: latest.expiresAt });
  }

  #write(userId: string, work: (store: SessionStore) => Promise<void>): void {
    const { store } = this;
    if (store === null) return;
    const logged = (error: unknown): never => {
      this.log.debug({ error: String(error) }, 'a session record was not kept: it is written later');
      throw error;
    };
    this.#follow(this.overdue.attempt(userId, () => work(store).catch(logged)));
  }

  /** @param work never rejects */
  #follow(work: Promise<unknown>): void {
    this.#writing = Promise.all([this.#writing, work]);
  }
}
