import { type FileHandle, open } from 'node:fs/promises';
import { type SpoolCursor, syncDirectory } from './cursor.js';
import { SpoolWriteError } from './errors.js';
import { SEGMENT_HEADER, segmentPath } from './segment.js';

/**
 * Writes frames to the newest segment and begins the next one when it is full.
 * Everything before `end` is durable. After a failed write or sync the file is cut back to `end` before anything else
 * is written, and never written again: what the page cache holds of it after a failed sync is not to be trusted.
 */
export class SegmentWriter {
  #handle: FileHandle | null = null;
  #segment: number;
  #offset: number;
  #state: 'writable' | 'sealed' | 'broken';

  /** Writing goes on in the segment at `end` where that exists, else in a new one with the next number. */
  constructor(
    readonly directory: string,
    readonly segmentBytes: number,
    end: SpoolCursor,
    exists: boolean,
  ) {
    this.#segment = end.segment;
    this.#offset = end.offset;
    this.#state = exists ? 'writable' : 'sealed';
  }

  get end(): SpoolCursor {
    return { segment: this.#segment, offset: this.#offset };
  }

  /** Resolves with the bytes by which the spool grew, when the frame is on disk. @throws SpoolWriteError */
  async write(frame: Buffer): Promise<number> {
    try {
      const grown = await this.#room(frame.length);
      const handle = await this.#open();
      this.#state = 'broken';
      await writeAll(handle, frame, this.#offset);
      await handle.datasync();
      this.#offset += frame.length;
      this.#state = 'writable';
      return grown + frame.length;
    } catch (error) {
      const path = segmentPath(this.directory, this.#segment);
      await this.#repair().catch(() => undefined);
      throw new SpoolWriteError(path, error);
    }
  }

  async close(): Promise<void> {
    await this.#repair();
    await this.#handle?.close();
    this.#handle = null;
  }

  async #room(bytes: number): Promise<number> {
    await this.#repair();
    const full = this.#offset > SEGMENT_HEADER.length && this.#offset + bytes > this.segmentBytes;
    if (this.#state === 'writable' && !full) return 0;
    await this.#begin(this.#segment + 1);
    return SEGMENT_HEADER.length;
  }

  async #open(): Promise<FileHandle> {
    this.#handle ??= await open(segmentPath(this.directory, this.#segment), 'r+');
    return this.#handle;
  }

  /** A segment counts from when its header and its name are durable; until then the next attempt makes it anew. */
  async #begin(segment: number): Promise<void> {
    // Whatever fails below, the old segment is never written again: only the newest file may have a torn tail.
    this.#state = 'sealed';
    const handle = await open(segmentPath(this.directory, segment), 'w');
    try {
      await writeAll(handle, SEGMENT_HEADER, 0);
      await handle.sync();
      await syncDirectory(this.directory);
    } catch (error) {
      await handle.close();
      throw error;
    }
    const old = this.#handle;
    this.#handle = handle;
    this.#segment = segment;
    this.#offset = SEGMENT_HEADER.length;
    this.#state = 'writable';
    await old?.close();
  }

  async #repair(): Promise<void> {
    if (this.#state !== 'broken') return;
    const handle = await this.#open();
    await handle.truncate(this.#offset);
    await handle.sync();
    this.#state = 'sealed';
  }
}

async function writeAll(handle: FileHandle, bytes: Buffer, offset: number): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const result = await handle.write(bytes, written, bytes.length - written, offset + written);
    written += result.bytesWritten;
  }
}
