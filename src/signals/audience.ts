import type { Clock } from '../kit/clock.js';
import type { Guard } from './guard.js';
import { newSignalId } from './ids.js';
import type { NewSignal, SignalData } from './signal.js';
import type { Sql } from './sql.js';
import { KeyReused, type RequestKey, type SignalSink } from './store.js';

/** What a signal says, to whomever. */
export interface Content {
  /** 1 to 50 characters. */
  readonly type: string;
  readonly symbol: string;
  readonly data: SignalData | null;
  /** Epoch ms; null = never. */
  readonly expiresAt: number | null;
  /** Id of an earlier signal that this one puts right. */
  readonly corrects: string | null;
}

export interface Recipient {
  readonly userId: string;
  /** Of the user's plan. */
  readonly signalsPerDay: number;
}

/** Who has signals on a symbol. */
export interface Audience {
  /** Everybody whose plan has it, in pages, ascending by user id, from the first after `after` (null = from the beginning). */
  recipients(symbol: string, after: string | null): AsyncIterable<readonly Recipient[]>;
}

export interface Reach {
  readonly written: number;
  readonly refused: number;
  /** The request was finished before; nothing was written now. */
  readonly replayed: boolean;
}

export interface AudienceOptions {
  readonly sql: Sql;
  readonly sink: SignalSink;
  readonly audience: Audience;
  readonly clock: Clock;
}

interface Progress {
  readonly servedTo: string | null;
  readonly written: number;
  readonly refused: number;
  readonly finished: boolean;
}

interface ProgressRow {
  readonly body_hash: Buffer;
  readonly answer: unknown;
  readonly served_to: string | null;
  readonly written: number;
  readonly refused: number;
  readonly finished: boolean;
}

/** Recipients that one statement serves. */
const CHUNK = 500;

/**
 * Gives a signal to everybody who may have it, in chunks. How far it got is written with each chunk, under the request's key:
 * the same request goes on where it stopped, from any node, and nobody gets it twice.
 */
export class AudiencePublisher {
  readonly #options: AudienceOptions;

  constructor(options: AudienceOptions) {
    this.#options = options;
  }

  /** Rejects half-way when PostgreSQL does not answer: give it again. @throws KeyReused */
  async publish(content: Content, key: RequestKey): Promise<Reach> {
    let progress = await this.#begin(key);
    const replayed = progress.finished;
    while (!progress.finished) {
      const wholly = await this.#serve(content, key, progress.servedTo);
      if (wholly) await this.#finish(key);
      progress = await this.#progress(key);
    }
    return { written: progress.written, refused: progress.refused, replayed };
  }

  /** @returns false: somebody else serves as well, and got further. */
  async #serve(content: Content, key: RequestKey, servedTo: string | null): Promise<boolean> {
    const { audience } = this.#options;
    let after = servedTo;
    for await (const page of audience.recipients(content.symbol, after)) {
      for (let i = 0; i < page.length; i += CHUNK) {
        const chunk = page.slice(i, i + CHUNK);
        const last = chunk.at(-1)?.userId ?? after;
        if (last === null || !(await this.#serveChunk(content, key, chunk, after, last))) return false;
        after = last;
      }
    }
    return true;
  }

  async #serveChunk(
    content: Content,
    key: RequestKey,
    recipients: readonly Recipient[],
    after: string | null,
    last: string,
  ): Promise<boolean> {
    const batch = recipients.map(
      ({ userId, signalsPerDay }): NewSignal => ({
        ...content,
        id: newSignalId(),
        userId,
        source: 'publisher',
        ruleId: null,
        publisherId: key.publisherId,
        dailyLimit: signalsPerDay,
      }),
    );
    const { refused } = await this.#options.sink.publish(batch, ifStillAt(key, after, last, batch));
    return !refused.some(({ reason }) => reason === 'guarded');
  }

  async #begin(key: RequestKey): Promise<Progress> {
    const { sql, clock } = this.#options;
    await sql.query(
      `INSERT INTO signal_keys (publisher_id, key, body_hash, finished, created_at) VALUES ($1, $2, $3, false, $4)
       ON CONFLICT DO NOTHING`,
      [key.publisherId, key.key, key.bodyHash, new Date(clock.now()).toISOString()],
    );
    return await this.#progress(key);
  }

  async #progress({ publisherId, key, bodyHash }: RequestKey): Promise<Progress> {
    const { rows } = await this.#options.sql.query<ProgressRow>(
      `SELECT body_hash, answer, served_to, written, refused, finished FROM signal_keys WHERE publisher_id = $1 AND key = $2`,
      [publisherId, key],
    );
    const [row] = rows;
    if (row === undefined) throw new Error('the publisher of a request is gone');
    if (row.answer !== null || !bodyHash.equals(row.body_hash))
      throw new KeyReused('the key was used before for another request');
    return { servedTo: row.served_to, written: row.written, refused: row.refused, finished: row.finished };
  }

  async #finish({ publisherId, key }: RequestKey): Promise<void> {
    const text = 'UPDATE signal_keys SET finished = true WHERE publisher_id = $1 AND key = $2';
    await this.#options.sql.query(text, [publisherId, key]);
  }
}

/** Lets the chunk pass if the request has got just to where it begins, and moves it to its end. */
function ifStillAt(key: RequestKey, after: string | null, last: string, batch: readonly NewSignal[]): Guard {
  return {
    text: `held AS MATERIALIZED (
  SELECT FROM signal_keys WHERE publisher_id = $1 AND key = $2 AND served_to IS NOT DISTINCT FROM $3::uuid AND NOT finished FOR UPDATE
),
guard AS (SELECT id FROM unnest($5::uuid[]) AS one (id) WHERE EXISTS (SELECT FROM held))`,
    after: `progress AS (
  UPDATE signal_keys SET served_to = $4::uuid,
    written = signal_keys.written + (SELECT count(seq) FROM placed),
    refused = signal_keys.refused + (SELECT count(*) - count(seq) FROM placed)
  WHERE publisher_id = $1 AND key = $2 AND EXISTS (SELECT FROM held)
)`,
    values: [key.publisherId, key.key, after, last, batch.map(({ id }) => id)],
  };
}
