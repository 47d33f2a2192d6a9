import { type FileHandle, open } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { compareCursors, type SpoolCursor } from './cursor.js';
import { decodeRecords, type SpoolRecord } from './record.js';
import { damaged, readFrames, SEGMENT_HEADER, segmentPath } from './segment.js';

/** Consecutive records; `end` is what to acknowledge when they are in the table. */
export interface SpoolBatch {
  readonly records: readonly SpoolRecord[];
  readonly end: SpoolCursor;
  /** Epoch ms at which the last of them was appended. */
  readonly lastTime: number;
}

/** Records decoded in one turn of the event loop: live data and the database's socket wait no longer than that. */
const RECORDS_PER_TURN = 500;

/** Reads durable frames in order, keeping one file open. One read at a time. */
export class SpoolReader {
  #handle: FileHandle | null = null;
  #segment = -1;

  constructor(readonly directory: string) {}

  /** Whole frames after `from` and before `to`, until at least `maxRecords` records are gathered; null when there are none. */
  async read(from: SpoolCursor, to: SpoolCursor, maxRecords: number): Promise<SpoolBatch | null> {
    const records: SpoolRecord[] = [];
    let at = from;
    let lastTime = 0;
    while (records.length < maxRecords && compareCursors(at, to) < 0) {
      const handle = await this.#open(at.segment);
      const last = at.segment === to.segment;
      const limit = last ? to.offset : (await handle.stat()).size;
      if (at.offset >= limit) {
        at = { segment: at.segment + 1, offset: SEGMENT_HEADER.length };
        continue;
      }
      const frames = await readFrames(handle, at.offset, limit);
      if (frames.length === 0) throw damaged(segmentPath(this.directory, at.segment), at.offset, null);
      let offset = at.offset;
      for (const frame of frames) {
        if (records.length >= maxRecords) break;
        const before = records.length;
        for (const record of decodeRecords(frame.body)) records.push(record);
        if (turn(before) !== turn(records.length)) await setImmediate();
        offset += frame.size;
        lastTime = frame.time;
      }
      at = { segment: at.segment, offset };
    }
    return records.length === 0 ? null : { records, end: at, lastTime };
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = null;
    this.#segment = -1;
  }

  async #open(segment: number): Promise<FileHandle> {
    if (this.#handle !== null && this.#segment === segment) return this.#handle;
    await this.close();
    this.#handle = await open(segmentPath(this.directory, segment), 'r');
    this.#segment = segment;
    return this.#handle;
  }
}

function turn(records: number): number {
  return Math.floor(records / RECORDS_PER_TURN);
}
