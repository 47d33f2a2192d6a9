import { type FileHandle, mkdir, open, readdir, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../../kit/log.js';
import { frame, scan } from './frames.js';
import { decodeRecord, encodeRecord, type PushRecord } from './record.js';

const SEGMENT_BYTES = 1024 * 1024;
/** Above this nothing is taken until older segments may go. */
export const JOURNAL_MAX_BYTES = 512 * 1024 * 1024;
const NAME = /^(\d{12})\.push$/;

interface Segment {
  readonly path: string;
  bytes: number;
  /** Newest event time per symbol: decides when it may go. */
  readonly newest: Map<string, number>;
}

/** The journal is full: older segments are still needed. */
export class JournalFullError extends Error {
  override readonly name = 'JournalFullError';
}

/**
 * What was acknowledged to collectors, until it is too old to be delivered again. Append-only segments; a record is
 * durable when `append` resolves. One caller at a time.
 */
export class Journal {
  readonly #segments: Segment[] = [];
  #handle: FileHandle | null = null;
  #number = 0;
  #bytes = 0;

  constructor(
    private readonly directory: string,
    private readonly log: Log,
    private readonly segmentBytes: number = SEGMENT_BYTES,
    private readonly maxBytes: number = JOURNAL_MAX_BYTES,
  ) {}

  get bytes(): number {
    return this.#bytes;
  }

  /** Every record, in the order they were appended. To be read to its end before the first `append`. */
  async *read(progress: (done: number) => void): AsyncGenerator<PushRecord> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    const names = (await readdir(this.directory)).filter((name) => NAME.test(name)).sort();
    for (const [index, name] of names.entries()) {
      const path = join(this.directory, name);
      this.#number = Number(NAME.exec(name)?.[1]);
      const bytes = await readFile(path);
      const { payloads, end, damage } = scan(bytes);
      if (damage !== null) this.#report(path, end, bytes.length, damage);
      const segment = this.#addSegment(path, bytes.length);
      for (const payload of payloads) {
        const record = decodeRecord(payload);
        note(segment, record);
        yield record;
      }
      progress((index + 1) / names.length);
    }
  }

  /** Writes the records and makes them durable (fdatasync). On failure none of them counts. */
  async append(records: readonly PushRecord[]): Promise<void> {
    const buffer = Buffer.concat(records.map((record) => frame(encodeRecord(record))));
    if (this.#bytes + buffer.length > this.maxBytes)
      throw new JournalFullError(`the journal of pushed trades has reached ${this.maxBytes} bytes`);
    const { handle, segment } = await this.#current();
    try {
      await writeAll(handle, buffer, segment.bytes);
      await handle.datasync();
    } catch (error) {
      await this.#abandon(handle, segment);
      throw error;
    }
    segment.bytes += buffer.length;
    this.#bytes += buffer.length;
    for (const record of records) note(segment, record);
  }

  /** Deletes segments all of whose trades are older than `horizon` of their symbol (epoch ms; -Infinity keeps). */
  async prune(horizon: (symbol: string) => number): Promise<void> {
    const last = this.#segments.at(-1);
    for (const segment of [...this.#segments]) {
      if (segment === last && this.#handle !== null) continue;
      if (![...segment.newest].every(([symbol, time]) => time < horizon(symbol))) continue;
      await unlink(segment.path);
      this.#segments.splice(this.#segments.indexOf(segment), 1);
      this.#bytes -= segment.bytes;
    }
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = null;
  }

  async #current(): Promise<{ handle: FileHandle; segment: Segment }> {
    const last = this.#segments.at(-1);
    if (this.#handle !== null && last !== undefined && last.bytes < this.segmentBytes)
      return { handle: this.#handle, segment: last };
    await this.close();
    this.#number++;
    const path = join(this.directory, `${String(this.#number).padStart(12, '0')}.push`);
    const handle = await open(path, 'wx', 0o600);
    this.#handle = handle;
    const segment = this.#addSegment(path, 0);
    await syncDirectory(this.directory);
    return { handle, segment };
  }

  #addSegment(path: string, bytes: number): Segment {
    const segment = { path, bytes, newest: new Map<string, number>() };
    this.#segments.push(segment);
    this.#bytes += bytes;
    return segment;
  }

  /** After a failed write the segment ends where it was whole, and the next record begins a new one. */
  async #abandon(handle: FileHandle, segment: Segment): Promise<void> {
    this.#handle = null;
    try {
      await handle.truncate(segment.bytes);
      await handle.datasync();
    } catch (error) {
      this.log.error({ err: error, file: segment.path }, 'cannot cut a half-written record off the journal');
    }
    await handle.close().catch(() => {});
  }

  #report(path: string, end: number, size: number, damage: 'torn' | 'corrupt'): void {
    const fields = { file: path, offset: end, lostBytes: size - end };
    if (damage === 'torn') this.log.warn(fields, 'the last record of a journal segment was never completed: dropped');
    else this.log.error(fields, 'journal segment is corrupt: pushed trades behind this offset are lost');
  }
}

function note(segment: Segment, record: PushRecord): void {
  const see = (symbol: string, time: number) =>
    segment.newest.set(symbol, Math.max(time, segment.newest.get(symbol) ?? Number.NEGATIVE_INFINITY));
  for (const trade of record.trades) see(trade.symbol, trade.time);
  for (const gap of record.gaps) see(gap.symbol, gap.to);
}

async function writeAll(handle: FileHandle, buffer: Buffer, position: number): Promise<void> {
  for (let done = 0; done < buffer.length; ) {
    const { bytesWritten } = await handle.write(buffer, done, buffer.length - done, position + done);
    done += bytesWritten;
  }
}

/** Makes the name of a new file durable. */
async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
