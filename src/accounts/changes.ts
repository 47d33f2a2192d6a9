import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { Service } from '../kit/service.js';
import type { AccountChange } from '../wire/identity.js';
import type { Sql } from './sql.js';

/** Carries news between nodes, quickly and without promising that they arrive. */
export interface Announcer {
  /** Never throws. */
  announce(change: AccountChange): void;
  /** What other nodes announced; our own may come back. */
  onAnnounced(listener: (change: AccountChange) => void): void;
  /** News may have been lost: it was away and is back. */
  onGap(listener: () => void): void;
}

export interface ChangesOptions {
  readonly sql: Sql;
  readonly clock: Clock;
  readonly log: Log;
  /** null: there are no other nodes. */
  readonly announcer: Announcer | null;
  /** How often the database is asked. Default 2 s. */
  readonly pollMs?: number;
}

interface Row {
  readonly id: number;
  readonly user_id: string;
  readonly session_id: string | null;
  readonly key_id: string | null;
}

const DEFAULT_POLL_MS = 2000;
const PAGE = 1000;
/** Numbers are given out before their rows can be seen: rows this much younger than the latest are looked for again. */
const OVERLAP_MS = 30_000;

/**
 * Tells this node of every change of an account. The row that triggers write beside each change is what counts; whoever
 * made it also announces it, and nodes that miss that find the row. Listeners may hear of a change more than once.
 */
export class AccountChanges implements Service {
  readonly name = 'account changes';
  readonly #options: ChangesOptions;
  readonly #listeners = new Set<(change: AccountChange) => void>();
  readonly #seen = new Set<number>();
  /** The latest number as of earlier polls, oldest first. */
  readonly #marks: { readonly at: number; readonly id: number }[] = [];
  #stopPolling: () => void = () => {};
  #polling: Promise<void> | null = null;
  #failing = false;

  constructor(options: ChangesOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { sql, clock, announcer, pollMs = DEFAULT_POLL_MS } = this.#options;
    const { rows } = await sql.query<{ id: number }>('SELECT coalesce(max(id), 0) AS id FROM account_changes');
    this.#marks.push({ at: clock.now(), id: rows[0]?.id ?? 0 });
    announcer?.onAnnounced((change) => this.#emit(change));
    announcer?.onGap(() => void this.catchUp());
    this.#stopPolling = clock.every(pollMs, () => void this.catchUp());
  }

  async stop(): Promise<void> {
    this.#stopPolling();
    await this.#polling;
  }

  /** @returns what ends it. */
  onChange(listener: (change: AccountChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** After the change is in the database. */
  announce(change: AccountChange): void {
    this.#emit(change);
    this.#options.announcer?.announce(change);
  }

  /** Reads what has not been heard of. Never rejects. */
  async catchUp(): Promise<void> {
    this.#polling ??= this.#poll().finally(() => {
      this.#polling = null;
    });
    await this.#polling;
  }

  async #poll(): Promise<void> {
    const { log } = this.#options;
    try {
      await this.#read();
      if (this.#failing) log.info({}, 'changes of accounts can be read again');
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) log.warn({ error: String(error) }, 'changes of accounts cannot be read');
      this.#failing = true;
    }
  }

  async #read(): Promise<void> {
    const { sql, clock } = this.#options;
    const now = clock.now();
    let last = this.#marks[0]?.id ?? 0;
    for (;;) {
      const { rows } = await sql.query<Row>(
        'SELECT id, user_id, session_id, key_id FROM account_changes WHERE id > $1 ORDER BY id LIMIT $2',
        [last, PAGE],
      );
      for (const row of rows) this.#hear(row);
      last = rows.at(-1)?.id ?? last;
      if (rows.length < PAGE) break;
    }
    this.#mark(now, last);
  }

  #hear({ id, user_id, session_id, key_id }: Row): void {
    if (this.#seen.has(id)) return;
    this.#seen.add(id);
    this.#emit({ userId: user_id, sessionId: session_id, keyId: key_id });
  }

  #mark(at: number, id: number): void {
    this.#marks.push({ at, id });
    while ((this.#marks[1]?.at ?? at) < at - OVERLAP_MS) this.#marks.shift();
    const floor = this.#marks[0]?.id ?? 0;
    for (const seen of this.#seen) if (seen <= floor) this.#seen.delete(seen);
  }

  #emit(change: AccountChange): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        this.#options.log.error({ error: String(error) }, 'a change of an account was not taken in');
      }
    }
  }
}
