import type { Clock } from '../kit/clock.js';
import { Batcher } from './batcher.js';
import type { Guard } from './guard.js';
import { insertStatement, type KeptAnswer, type OutcomeRow, type Request, type RequestKey } from './insert-sql.js';
import type { Inserted, NewSignal, Refusal, RefusalReason, StoredSignal } from './signal.js';
import { type Sql, sqlState } from './sql.js';

/** The key was used before, for something else. */
export class KeyReused extends Error {
  override readonly name = 'KeyReused';
}

/** More waits to be written than is good; try again later. */
export class TooBusy extends Error {
  override readonly name = 'TooBusy';
}

/** Signals that one call, and one statement, may write. */
export const MAX_BATCH = 1000;
const STATEMENTS_AT_A_TIME = 2;
const MAX_WAITING = 50_000;
const KEYS_A_QUERY = 1000;
const ATTEMPTS = 4;
const UNIQUE_VIOLATION = '23505';
/** Serialization failure, deadlock: the statement did nothing and may succeed now. */
const TRY_AGAIN: ReadonlySet<string> = new Set(['40001', '40P01']);

interface Waiting extends Request {
  readonly done: (inserted: Inserted) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Writes batches. Those that come while statements are under way are written together in the next one, so that many
 * small requests cost little more than a large one; each succeeds or fails by itself all the same.
 */
export class Inserter {
  readonly #sql: Sql;
  readonly #clock: Clock;
  readonly #keys: Batcher<RequestKey, KeyRow | null>;
  #waiting: Waiting[] = [];
  /** Signals that wait. */
  #size = 0;
  #running = 0;

  constructor(sql: Sql, clock: Clock) {
    this.#sql = sql;
    this.#clock = clock;
    this.#keys = new Batcher(KEYS_A_QUERY, (keys) => readKeys(sql, keys));
  }

  /** @throws KeyReused, TooBusy, or what the database answers */
  async insert(batch: readonly NewSignal[], key: RequestKey | null): Promise<Inserted> {
    checkSize(batch);
    if (batch.length === 0) return { stored: [], refused: [], replayed: false };
    if (this.#size + batch.length > MAX_WAITING) throw new TooBusy('too many signals wait to be written');
    return await new Promise((done, failed) => {
      this.#size += batch.length;
      this.#waiting.push({ batch, key, done, failed });
      this.#flush();
    });
  }

  /** A statement of its own. */
  async insertGuarded(batch: readonly NewSignal[], guard: Guard): Promise<Inserted> {
    checkSize(batch);
    const [inserted] = await this.#write([{ batch, key: null }], guard);
    return inserted ?? { stored: [], refused: [], replayed: false };
  }

  #flush(): void {
    while (this.#running < STATEMENTS_AT_A_TIME && this.#waiting.length > 0) {
      this.#running++;
      void this.#writeTogether(this.#take()).finally(() => {
        this.#running--;
        this.#flush();
      });
    }
  }

  #take(): readonly Waiting[] {
    let size = 0;
    const over = this.#waiting.findIndex(({ batch }) => {
      size += batch.length;
      return size > MAX_BATCH;
    });
    const taken = over < 0 ? this.#waiting : this.#waiting.slice(0, Math.max(1, over));
    this.#waiting = this.#waiting.slice(taken.length);
    for (const { batch } of taken) this.#size -= batch.length;
    return taken;
  }

  async #writeTogether(requests: readonly Waiting[]): Promise<void> {
    try {
      const inserted = await this.#write(requests, null);
      for (const [i, { done }] of requests.entries()) done(inserted[i] ?? { stored: [], refused: [], replayed: false });
    } catch (error) {
      if (requests.length > 1 && sqlState(error) === UNIQUE_VIOLATION) await this.#writeNew(requests);
      else if (requests.length > 1 && isOfOneRequest(error)) await this.#writeEach(requests);
      else for (const request of requests) await this.#fail(request, error);
    }
  }

  /** Keys are looked up only when one turns out to have been used: most requests come once. */
  async #writeNew(requests: readonly Waiting[]): Promise<void> {
    const asked = requests.map(async (request) => ((await this.#answerEarlier(request)) ? [] : [request]));
    const rest = (await Promise.all(asked)).flat();
    if (rest.length === requests.length) await this.#writeEach(rest);
    else if (rest.length > 0) await this.#writeTogether(rest);
  }

  /** One of them spoiled it for all. */
  async #writeEach(requests: readonly Waiting[]): Promise<void> {
    for (const request of requests) await this.#writeTogether([request]);
  }

  async #fail(request: Waiting, error: unknown): Promise<void> {
    // Somebody else was quicker with the same key.
    if (sqlState(error) === UNIQUE_VIOLATION && (await this.#answerEarlier(request))) return;
    request.failed(error);
  }

  /** @returns false where its key has not been used. */
  async #answerEarlier({ batch, key, done, failed }: Waiting): Promise<boolean> {
    try {
      const earlier = key === null ? null : await this.#earlier(batch, key);
      if (earlier === null) return false;
      done(earlier);
    } catch (failure) {
      failed(failure);
    }
    return true;
  }

  async #write(requests: readonly Request[], guard: Guard | null): Promise<Inserted[]> {
    for (let attempt = 1; ; attempt++) {
      const createdAt = this.#clock.now();
      const { text, values } = insertStatement(requests, createdAt, guard);
      try {
        const { rows } = await this.#sql.query<OutcomeRow>(text, values);
        const outcomes = (rows[0]?.outcome ?? '').split(',');
        let from = 0;
        return requests.map(({ batch }) => {
          const own = outcomes.slice(from, from + batch.length);
          from += batch.length;
          return toInserted(batch, own, createdAt);
        });
      } catch (error) {
        if (attempt === ATTEMPTS || !TRY_AGAIN.has(sqlState(error))) throw error;
      }
    }
  }

  async #earlier(batch: readonly NewSignal[], key: RequestKey): Promise<Inserted | null> {
    const row = await this.#keys.ask(key);
    if (row === null) return null;
    const { answer } = row;
    if (!key.bodyHash.equals(row.body_hash) || answer?.ids.length !== batch.length)
      throw new KeyReused('the key was used before for another request');
    const known = batch.map((signal, i) => ({ ...signal, id: answer.ids[i] ?? '' }));
    return { ...toInserted(known, answer.outcome.split(','), row.created_at.getTime()), replayed: true };
  }
}

interface KeyRow {
  readonly place: number;
  readonly body_hash: Buffer;
  /** null: of a request to an audience. */
  readonly answer: KeptAnswer | null;
  readonly created_at: Date;
}

async function readKeys(sql: Sql, keys: readonly RequestKey[]): Promise<readonly (KeyRow | null)[]> {
  const { rows } = await sql.query<KeyRow>(
    `SELECT asked.place, body_hash, answer, created_at
     FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS asked (publisher_id, key, place)
     JOIN signal_keys USING (publisher_id, key)`,
    [keys.map(({ publisherId }) => publisherId), keys.map(({ key }) => key)],
  );
  const byPlace = new Map(rows.map((row) => [row.place, row]));
  return keys.map((_, i) => byPlace.get(i + 1) ?? null);
}

function checkSize(batch: readonly NewSignal[]): void {
  if (batch.length > MAX_BATCH) throw new RangeError(`a batch holds at most ${MAX_BATCH} signals, not ${batch.length}`);
}

/** What was given cannot be written; data exceptions and violated constraints. */
function isOfOneRequest(error: unknown): boolean {
  const state = sqlState(error);
  return state.startsWith('22') || state.startsWith('23');
}

function toInserted(batch: readonly NewSignal[], outcomes: readonly string[], createdAt: number): Inserted {
  const stored: StoredSignal[] = [];
  const refused: Refusal[] = [];
  for (const [place, { dailyLimit: _, ...signal }] of batch.entries()) {
    const outcome = outcomes[place];
    if (outcome === undefined || outcome === '')
      throw new Error('PostgreSQL answered for fewer signals than it was given');
    const seq = Number(outcome);
    if (!Number.isNaN(seq)) stored.push({ ...signal, seq, createdAt, readAt: null });
    else refused.push({ place, id: signal.id, userId: signal.userId, reason: outcome as RefusalReason });
  }
  return { stored, refused, replayed: false };
}
