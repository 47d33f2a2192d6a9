import { stat, unlink } from 'node:fs/promises';
import type { Clock } from '../../kit/clock.js';
import type { Log } from '../../kit/log.js';
import type { Service } from '../../kit/service.js';
import { compareCursors, type SpoolCursor, saveCursor } from './cursor.js';
import { SpoolClosedError, SpoolFullError } from './errors.js';
import { encodeFrame } from './frame.js';
import { encodeRecords, type SpoolRecord } from './record.js';
import { recover } from './recovery.js';
import { segmentPath } from './segment.js';
import { SegmentWriter } from './segment-writer.js';
import { type SpoolBatch, SpoolReader } from './spool-reader.js';

export interface SpoolOptions {
  /** The segments' directory; made when it is missing. */
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Bound of the bytes on disk; at least four segments. Default 1 GiB. */
  readonly maxBytes?: number;
  /** Default 16 MiB, or a quarter of `maxBytes` where that is less. */
  readonly segmentBytes?: number;
}

export interface SpoolStats {
  /** Bytes of all segments on disk. */
  readonly bytes: number;
  readonly maxBytes: number;
  /** bytes / maxBytes. */
  readonly fullFraction: number;
  /** Durable records that are not acknowledged yet. */
  readonly recordsBehind: number;
  /** How long the oldest of them has waited, to within a batch; null when there is none. */
  readonly oldestAgeMs: number | null;
  readonly tornBytes: number;
  readonly appendedRecords: number;
  readonly commits: number;
  readonly failedCommits: number;
}

const DEFAULT_MAX_BYTES = 1024 ** 3;
const DEFAULT_SEGMENT_BYTES = 16 * 1024 ** 2;
const MIN_SEGMENT_BYTES = 4096;
/** Records encoded as one piece, and the size at which a group is closed: a frame stays far below its limit. */
const PIECE_RECORDS = 1024;
const GROUP_BYTES = 1024 ** 2;
const SAVE_CURSOR_EVERY_MS = 1000;

interface Waiting {
  readonly piece: Buffer;
  readonly count: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Makes records durable before anybody hears of them, and keeps them until the database has them.
 *
 * `append` resolves after fdatasync. Groups commit one after the other; what arrives during a sync goes, in order, into
 * the next, so nobody starves. When it rejects, the records are not durable; they may yet be delivered if the process
 * dies before the file was cut back, which does no harm because delivery is idempotent.
 */
export class Spool implements Service {
  readonly name = 'spool';
  readonly #options: SpoolOptions;
  readonly #maxBytes: number;
  readonly #segmentBytes: number;
  readonly #reader: SpoolReader;
  #writer: SegmentWriter | null = null;
  #queue: Waiting[] = [];
  #queuedBytes = 0;
  #pump: Promise<void> | null = null;
  #listeners: (() => void)[] = [];
  #segments: number[] = [];
  #acked: SpoolCursor = { segment: 0, offset: 0 };
  #saved: { cursor: SpoolCursor; time: number } = { cursor: { segment: 0, offset: 0 }, time: 0 };
  #saving: Promise<void> | null = null;
  #bytes = 0;
  #recordsBehind = 0;
  #oldestTime: number | null = null;
  #tornBytes = 0;
  #appendedRecords = 0;
  #commits = 0;
  #failedCommits = 0;

  constructor(options: SpoolOptions) {
    this.#options = options;
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
    this.#segmentBytes = options.segmentBytes ?? Math.min(DEFAULT_SEGMENT_BYTES, Math.floor(this.#maxBytes / 4));
    if (this.#segmentBytes < MIN_SEGMENT_BYTES || this.#maxBytes < 4 * this.#segmentBytes) {
      throw new RangeError(`maxBytes must hold four segments of at least ${MIN_SEGMENT_BYTES} bytes`);
    }
    this.#reader = new SpoolReader(options.directory);
  }

  /** @throws UserError when the directory holds damage that is not a torn tail. */
  async start(): Promise<void> {
    const { directory, log } = this.#options;
    const found = await recover(directory, log);
    this.#segments = [...found.segments];
    this.#acked = found.acked;
    this.#saved = { cursor: found.acked, time: this.#options.clock.now() };
    this.#bytes = found.bytes;
    this.#recordsBehind = found.pendingRecords;
    this.#oldestTime = found.oldestTime;
    this.#tornBytes = found.tornBytes;
    this.#writer = new SegmentWriter(directory, this.#segmentBytes, found.end, found.segments.length > 0);
  }

  /** Commits what is queued, saves the cursor and closes the files. */
  async stop(): Promise<void> {
    const writer = this.#writer;
    if (writer === null) return;
    while (this.#pump !== null) await this.#pump;
    this.#writer = null;
    await this.#saving;
    await this.#save();
    await this.#reader.close();
    await writer.close();
    this.#wake();
  }

  /** Resolves when the records are on disk. @throws SpoolFullError, SpoolWriteError, SpoolClosedError */
  async append(records: readonly SpoolRecord[]): Promise<void> {
    if (this.#writer === null) throw new SpoolClosedError();
    if (records.length === 0) return;
    const pieces: { piece: Buffer; count: number }[] = [];
    let bytes = 0;
    for (let i = 0; i < records.length; i += PIECE_RECORDS) {
      const part = records.slice(i, i + PIECE_RECORDS);
      const piece = encodeRecords(part);
      pieces.push({ piece, count: part.length });
      bytes += piece.length;
    }
    const used = this.#bytes + this.#queuedBytes;
    if (used + bytes > this.#maxBytes) throw new SpoolFullError(used, this.#maxBytes);
    const done = pieces.map((piece) => this.#enqueue(piece));
    this.#pump ??= this.#commitAll();
    await Promise.all(done);
  }

  /** Where the drain begins, and the end of what is durable. */
  get acked(): SpoolCursor {
    return this.#acked;
  }
  get end(): SpoolCursor {
    return this.#writer?.end ?? this.#acked;
  }

  /** Durable records after `from`: at least `maxRecords` of them where there are as many; null when there are none. One call at a time. */
  read(from: SpoolCursor, maxRecords: number): Promise<SpoolBatch | null> {
    return this.#reader.read(from, this.end, maxRecords);
  }

  /** Resolves at the next durable append, or at stop. */
  appended(): Promise<void> {
    return new Promise((resolve) => this.#listeners.push(resolve));
  }

  /** The batches up to this one are in the table, `records` of them since the last call. The cursor on disk follows later. */
  ack(batch: Pick<SpoolBatch, 'end' | 'lastTime'>, records: number): void {
    this.#acked = batch.end;
    this.#recordsBehind -= records;
    this.#oldestTime = compareCursors(batch.end, this.end) >= 0 ? null : batch.lastTime;
    const due = this.#options.clock.now() - this.#saved.time >= SAVE_CURSOR_EVERY_MS;
    if (due || batch.end.segment > this.#saved.cursor.segment) this.#saving ??= this.#save();
  }

  /** Makes what is acknowledged durable, so that none of it is delivered again after a crash. */
  async saveAcked(): Promise<void> {
    while (this.#saving !== null) await this.#saving;
    if (compareCursors(this.#saved.cursor, this.#acked) >= 0) return;
    this.#saving = this.#save();
    await this.#saving;
  }

  /** Everything durable that was not acknowledged when called, oldest first. */
  async *readPending(): AsyncIterable<SpoolRecord> {
    const reader = new SpoolReader(this.#options.directory);
    const end = this.end;
    try {
      for (let at = this.#acked; ; ) {
        const batch = await reader.read(at, end, PIECE_RECORDS);
        if (batch === null) return;
        yield* batch.records;
        at = batch.end;
      }
    } finally {
      await reader.close();
    }
  }

  stats(): SpoolStats {
    const oldest = this.#oldestTime;
    return {
      bytes: this.#bytes,
      maxBytes: this.#maxBytes,
      fullFraction: this.#bytes / this.#maxBytes,
      recordsBehind: this.#recordsBehind,
      oldestAgeMs: oldest === null ? null : Math.max(0, this.#options.clock.now() - oldest),
      tornBytes: this.#tornBytes,
      appendedRecords: this.#appendedRecords,
      commits: this.#commits,
      failedCommits: this.#failedCommits,
    };
  }

  #enqueue({ piece, count }: { piece: Buffer; count: number }): Promise<void> {
    this.#queuedBytes += piece.length;
    return new Promise((resolve, reject) => this.#queue.push({ piece, count, resolve, reject }));
  }

  async #commitAll(): Promise<void> {
    // The turn of the loop in which the first append came may bring more: they share its sync.
    await Promise.resolve();
    while (this.#queue.length > 0) await this.#commit(this.#takeGroup());
    this.#pump = null;
  }

  #takeGroup(): Waiting[] {
    let bytes = 0;
    let size = 0;
    for (const { piece } of this.#queue) {
      if (size > 0 && bytes + piece.length > GROUP_BYTES) break;
      bytes += piece.length;
      size++;
    }
    this.#queuedBytes -= bytes;
    return this.#queue.splice(0, size);
  }

  async #commit(group: readonly Waiting[]): Promise<void> {
    const writer = this.#writer;
    try {
      if (writer === null) throw new SpoolClosedError();
      const now = this.#options.clock.now();
      const count = group.reduce((sum, waiting) => sum + waiting.count, 0);
      this.#bytes += await writer.write(
        encodeFrame(
          count,
          now,
          group.map(({ piece }) => piece),
        ),
      );
      this.#committed(writer.end.segment, count, now);
      for (const waiting of group) waiting.resolve();
      this.#wake();
    } catch (error) {
      this.#failedCommits++;
      for (const waiting of group) waiting.reject(error);
    }
  }

  #committed(segment: number, count: number, now: number): void {
    if (this.#segments.at(-1) !== segment) this.#segments.push(segment);
    this.#commits++;
    this.#appendedRecords += count;
    this.#recordsBehind += count;
    this.#oldestTime ??= now;
  }

  #wake(): void {
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener();
  }

  /** Saves the cursor, then removes the segments before it. A failure only means that more is delivered again. */
  async #save(): Promise<void> {
    const { directory, clock, log } = this.#options;
    const cursor = this.#acked;
    try {
      await saveCursor(directory, cursor);
      this.#saved = { cursor, time: clock.now() };
      await this.#removeBefore(cursor.segment);
    } catch (error) {
      this.#saved = { ...this.#saved, time: clock.now() };
      log.warn({ err: error, directory }, 'cannot save how far the spool is drained; it will be tried again');
    } finally {
      this.#saving = null;
    }
  }

  async #removeBefore(segment: number): Promise<void> {
    for (let first = this.#segments[0]; first !== undefined && first < segment; first = this.#segments[0]) {
      const path = segmentPath(this.#options.directory, first);
      const { size } = await stat(path);
      await unlink(path);
      this.#segments.shift();
      this.#bytes -= size;
    }
  }
}
