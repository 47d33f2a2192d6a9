import type { Log } from '../../kit/log.js';
import type { CandleRecord, GapRecord, SpoolRecord } from '../spool/record.js';
import { encodeCopy, toBatch, type WriteBatch } from './batch.js';
import { copyRows } from './copy.js';
import type { Database } from './database.js';
import { Fence } from './fence.js';
import { quarantine } from './quarantine.js';
import { distinctEpochs, type Upserted, upsertCandles, upsertGap } from './upsert.js';
import { NOT_A_WRITER } from './writers.js';

/** A batch with its COPY stream where COPY is worth a try. */
export interface PreparedBatch extends WriteBatch {
  readonly copy: readonly Buffer[] | null;
  /** Known to be refused: of writers that were superseded. */
  readonly fenced: readonly SpoolRecord[];
}

export interface SinkStats {
  readonly copiedRows: number;
  /** Rows inserted or replaced by upserts; those that were there already do not count. */
  readonly upsertedRows: number;
  /** COPY statements that met rows which were there already. */
  readonly copyConflicts: number;
  readonly quarantined: number;
  /** Records that were refused because another writer has taken over. */
  readonly fencedRows: number;
}

/** Fewer candles are upserted at once: that never meets a conflict. */
const COPY_MIN_ROWS = 200;
/** Rows of one upsert after a refused COPY. */
const UPSERT_ROWS = 2000;
/** After conflicts in a row COPY is left out for twice as many batches each time, up to this many. */
const MAX_SKIPPED_COPIES = 64;

/**
 * Puts batches into `ohlcv` and `gaps` by single idempotent statements, so that a batch may be delivered any number of
 * times and a connection that dies leaves nothing half done that matters.
 *
 * New rows go by binary COPY, faster than an upsert on both engines (`bench/persist.ts`); where a key is there already COPY changes nothing at
 * all and the batch is upserted. A row the database refuses for good is searched for by halves and put aside. Every
 * statement leaves out, or refuses, what is of an epoch that is not current in `writers`.
 */
export class Sink {
  readonly #database: Database;
  readonly #quarantineDirectory: string;
  readonly #log: Log;
  readonly #fence: Fence;
  #skipCopies = 0;
  #skipNext = 1;
  #copiedRows = 0;
  #upsertedRows = 0;
  #copyConflicts = 0;
  #quarantined = 0;

  constructor(database: Database, quarantineDirectory: string, log: Log, onFenced: (epoch: number) => void) {
    this.#database = database;
    this.#quarantineDirectory = quarantineDirectory;
    this.#log = log;
    this.#fence = new Fence(quarantineDirectory, log, onFenced);
  }

  async prepare(records: readonly SpoolRecord[]): Promise<PreparedBatch> {
    const fenced = records.filter(({ epoch }) => this.#fence.refuses(epoch));
    const batch = toBatch(fenced.length === 0 ? records : records.filter(({ epoch }) => !this.#fence.refuses(epoch)));
    const copy = this.#copyIsWorthIt(batch.candles) ? await encodeCopy(batch.candles) : null;
    return { ...batch, copy, fenced };
  }

  /** @throws what the connection threw: the same batch may be written again. */
  async write({ candles, gaps, copy, fenced }: PreparedBatch): Promise<void> {
    const aside = [...fenced];
    for (const gap of gaps) aside.push(...(await this.#writeGap(gap)));
    aside.push(...(await this.#writeCandles(candles, copy)));
    await this.#fence.putAside(aside);
  }

  stats(): SinkStats {
    return {
      copiedRows: this.#copiedRows,
      upsertedRows: this.#upsertedRows,
      copyConflicts: this.#copyConflicts,
      quarantined: this.#quarantined,
      fencedRows: this.#fence.rows,
    };
  }

  #copyIsWorthIt(candles: readonly CandleRecord[]): boolean {
    return this.#skipCopies === 0 && candles.length >= COPY_MIN_ROWS;
  }

  /** @returns what was fenced */
  async #writeGap(gap: GapRecord): Promise<readonly SpoolRecord[]> {
    return await this.#orPutAside(gap, async () =>
      this.#fenced(await this.#database.run((sql) => upsertGap(sql, gap)), [gap]),
    );
  }

  /** @returns what was fenced */
  async #writeCandles(
    candles: readonly CandleRecord[],
    copy: readonly Buffer[] | null,
  ): Promise<readonly SpoolRecord[]> {
    if (copy !== null && (await this.#copy(copy, distinctEpochs(candles)))) return [];
    if (copy === null && this.#skipCopies > 0 && candles.length >= COPY_MIN_ROWS) this.#skipCopies--;
    const fenced: SpoolRecord[] = [];
    for (let i = 0; i < candles.length; i += UPSERT_ROWS)
      fenced.push(...(await this.#upsert(candles.slice(i, i + UPSERT_ROWS))));
    return fenced;
  }

  #fenced({ refused }: Upserted, records: readonly SpoolRecord[]): readonly SpoolRecord[] {
    if (refused.length === 0) return [];
    this.#fence.note(refused, records);
    return records.filter(({ epoch }) => refused.includes(epoch));
  }

  /** @returns false where a row, or its epoch, refuses to be copied: nothing was written. */
  async #copy(chunks: readonly Buffer[], epochs: readonly number[]): Promise<boolean> {
    try {
      this.#copiedRows += await this.#database.run((sql) => copyRows(sql, chunks, epochs));
      this.#skipNext = 1;
      return true;
    } catch (error) {
      if (sqlState(error) === UNIQUE_VIOLATION) this.#noteConflict();
      else if (sqlState(error) !== NOT_A_WRITER && !isRowError(error)) throw error;
      return false;
    }
  }

  #noteConflict(): void {
    this.#copyConflicts++;
    this.#skipCopies = this.#skipNext;
    this.#skipNext = Math.min(this.#skipNext * 2, MAX_SKIPPED_COPIES);
  }

  /** @returns what was fenced */
  async #upsert(rows: readonly CandleRecord[]): Promise<readonly SpoolRecord[]> {
    const [only] = rows;
    if (only === undefined) return [];
    const attempt = async (): Promise<readonly SpoolRecord[]> => {
      const outcome = await this.#database.run((sql) => upsertCandles(sql, rows));
      this.#upsertedRows += outcome.written;
      return this.#fenced(outcome, rows);
    };
    if (rows.length === 1) return await this.#orPutAside(only, attempt);
    try {
      return await attempt();
    } catch (error) {
      if (!isRowError(error)) throw error;
      const half = rows.length >> 1;
      return [...(await this.#upsert(rows.slice(0, half))), ...(await this.#upsert(rows.slice(half)))];
    }
  }

  async #orPutAside(
    record: SpoolRecord,
    attempt: () => Promise<readonly SpoolRecord[]>,
  ): Promise<readonly SpoolRecord[]> {
    try {
      return await attempt();
    } catch (error) {
      if (!isRowError(error)) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      const path = await quarantine(this.#quarantineDirectory, [record], () => reason);
      this.#quarantined++;
      this.#log.error({ path, reason, ...record }, 'the database refuses a row for good: it was put aside');
      return [];
    }
  }
}

const UNIQUE_VIOLATION = '23505';
/** Classes of https://www.postgresql.org/docs/15/errcodes-appendix.html that blame the row: 22 data, 23 constraints. */
const ROW_ERROR = /^(22|23)/;

function sqlState(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

function isRowError(error: unknown): boolean {
  return ROW_ERROR.test(sqlState(error));
}
