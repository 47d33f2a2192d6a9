import type { Clock } from '../kit/clock.js';
import { storeAcks } from './acks-sql.js';
import type { Guard } from './guard.js';
import type { RequestKey } from './insert-sql.js';
import { Inserter } from './inserter.js';
import { NEWS_COLUMNS, READ_COLUMNS, type SignalRow, toSignal } from './rows.js';
import type { Ack, Inserted, NewSignal, Reached, StoredSignal } from './signal.js';
import type { Sql } from './sql.js';

export type { Guard } from './guard.js';
export type { RequestKey } from './insert-sql.js';
export { KeyReused, MAX_BATCH, TooBusy } from './inserter.js';

/**
 * Where rules and publishers give their signals to: written first, then told to those who follow.
 *
 * Several things are one statement: places (`seq`) are given out, rows written, and what the `guard` writes beside them. So a rule's
 * firing and its signal are there both or not at all, and a firing that exists makes no second signal (see guard.ts).
 */
export interface SignalSink {
  /**
   * At most 1,000 signals. Resolves when what was stored is committed; rejects when nothing is known about it: give it again
   * with the same guard.
   */
  publish(batch: readonly NewSignal[], guard?: Guard): Promise<Inserted>;
}

export interface ListQuery {
  /** Only what comes before this seq; null = from the newest. */
  readonly before: number | null;
  readonly limit: number;
  readonly unread: boolean;
  readonly symbol: string | null;
}

/** Answers stored under a key are kept this long. */
const KEYS_KEPT_MS = 48 * 3_600_000;
/** A device that says nothing this long is gone. */
const ACKS_KEPT_MS = 90 * 24 * 3_600_000;
const DEVICES_A_USER = 64;

/** Signals in PostgreSQL (`sql/postgres/0002_signals.sql`). Every call is one statement, but for `insert` with a key. */
export class SignalStore {
  readonly #sql: Sql;
  readonly #clock: Clock;
  readonly #inserter: Inserter;

  constructor(sql: Sql, clock: Clock) {
    this.#sql = sql;
    this.#clock = clock;
    this.#inserter = new Inserter(sql, clock);
  }

  /** Calls at the same time are written together. With a `key`, a batch is written once however often it is given. @throws KeyReused, TooBusy */
  insert(batch: readonly NewSignal[], key: RequestKey | null = null): Promise<Inserted> {
    return this.#inserter.insert(batch, key);
  }

  insertGuarded(batch: readonly NewSignal[], guard: Guard): Promise<Inserted> {
    return this.#inserter.insertGuarded(batch, guard);
  }

  /** The database was restored from a backup: positions that were given out before, also after it was made, mean nothing in it. */
  async beginAnew(): Promise<void> {
    await this.#sql.query(
      'UPDATE signal_epoch SET epoch = greatest(epoch + 1, floor(extract(epoch FROM clock_timestamp()))::bigint)',
    );
  }

  /** Names the database: positions of another epoch mean nothing in it. Epoch seconds of its creation. */
  async epoch(): Promise<number> {
    const { rows } = await this.#sql.query<{ epoch: number }>('SELECT epoch FROM signal_epoch');
    const [row] = rows;
    if (row === undefined) throw new Error('signal_epoch is empty');
    return row.epoch;
  }

  /** Signals after `seq`, ascending. */
  async since(userId: string, seq: number, limit: number): Promise<readonly StoredSignal[]> {
    return await this.sinceMany([{ userId, seq }], limit);
  }

  /** Of each user at most `limit` signals after its `seq`; by user, ascending. */
  async sinceMany(reached: readonly Reached[], limit: number): Promise<readonly StoredSignal[]> {
    const { rows } = await this.#sql.query<SignalRow>(
      `SELECT s.* FROM unnest($1::uuid[], $2::bigint[]) AS f (user_id, seq)
       CROSS JOIN LATERAL (
         SELECT ${NEWS_COLUMNS} FROM signals s WHERE s.user_id = f.user_id AND s.seq > f.seq ORDER BY s.seq LIMIT $3
       ) AS s ORDER BY s.user_id, s.seq`,
      [reached.map(({ userId }) => userId), reached.map(({ seq }) => seq), limit],
    );
    return rows.map(toSignal);
  }

  /** The newest first. */
  async list(userId: string, { before, limit, unread, symbol }: ListQuery): Promise<readonly StoredSignal[]> {
    const { rows } = await this.#sql.query<SignalRow>(
      `SELECT ${READ_COLUMNS} FROM signals s JOIN signal_heads h ON h.user_id = s.user_id
       WHERE s.user_id = $1 AND s.seq < $2
         AND (NOT $3::boolean OR (s.read_at IS NULL AND s.seq > h.read_seq))
         AND ($4::text IS NULL OR s.symbol = $4)
       ORDER BY s.seq DESC LIMIT $5`,
      [userId, before ?? Number.MAX_SAFE_INTEGER, unread, symbol, limit],
    );
    return rows.map(toSignal);
  }

  /** @returns null: the user has no such signal. */
  async markRead(userId: string, id: string): Promise<{ readonly readAt: number } | null> {
    const { rows } = await this.#sql.query<{ read_at: Date }>(
      `UPDATE signals s SET read_at = coalesce(s.read_at, CASE WHEN s.seq <= h.read_seq THEN h.read_at END, $3)
       FROM signal_heads h WHERE h.user_id = s.user_id AND s.user_id = $1 AND s.id = $2 RETURNING s.read_at`,
      [userId, id, this.#now()],
    );
    const [row] = rows;
    return row === undefined ? null : { readAt: row.read_at.getTime() };
  }

  /** Everything up to `seq` is read. @returns up to where it is now */
  async markReadTo(userId: string, seq: number): Promise<number> {
    const { rows } = await this.#sql.query<{ read_seq: number }>(
      `UPDATE signal_heads SET
         read_at = CASE WHEN least($2, last_seq) > read_seq THEN $3 ELSE read_at END,
         read_seq = greatest(read_seq, least($2, last_seq))
       WHERE user_id = $1 RETURNING read_seq`,
      [userId, seq, this.#now()],
    );
    return rows[0]?.read_seq ?? 0;
  }

  /** @returns whether the user had it. Its place stays empty. */
  async delete(userId: string, id: string): Promise<boolean> {
    const { rowCount } = await this.#sql.query('DELETE FROM signals WHERE user_id = $1 AND id = $2', [userId, id]);
    return rowCount > 0;
  }

  /** seq of the newest signal that was ever given to each user; who is not in it has none. */
  async heads(userIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const { rows } = await this.#sql.query<{ user_id: string; last_seq: number }>(
      'SELECT user_id, last_seq FROM signal_heads WHERE user_id = ANY ($1::uuid[])',
      [userIds],
    );
    return new Map(rows.map((row) => [row.user_id, row.last_seq]));
  }

  /** Cumulative; a user and device may be in it once. @returns what is stored now, in the order given; 0 for a user without signals */
  ack(acks: readonly Ack[]): Promise<readonly number[]> {
    return storeAcks(this.#sql, acks, this.#now());
  }

  /** The last `seq` that the device acknowledged; 0: none. */
  async acked(userId: string, device: string): Promise<number> {
    const { rows } = await this.#sql.query<{ seq: number }>(
      'SELECT seq FROM signal_acks WHERE user_id = $1 AND device = $2',
      [userId, device],
    );
    return rows[0]?.seq ?? 0;
  }

  /** Drops old keys, and devices that are gone or too many. To be called now and then, by any number of nodes. */
  async prune(): Promise<void> {
    const now = this.#clock.now();
    await this.#sql.query('DELETE FROM signal_keys WHERE created_at < $1', [
      new Date(now - KEYS_KEPT_MS).toISOString(),
    ]);
    await this.#sql.query(
      `DELETE FROM signal_acks a USING (
         SELECT user_id, device, row_number() OVER (PARTITION BY user_id ORDER BY acked_at DESC, device) AS place FROM signal_acks
       ) AS ranked
       WHERE a.user_id = ranked.user_id AND a.device = ranked.device AND (ranked.place > $2 OR a.acked_at < $1)`,
      [new Date(now - ACKS_KEPT_MS).toISOString(), DEVICES_A_USER],
    );
  }

  #now(): string {
    return new Date(this.#clock.now()).toISOString();
  }
}
