import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../kit/errors.js';
import { decodeFrame, type Frame, findFrame, frameSize } from './frame.js';

/** Segment files are `0000000001.seg`, numbered from 1 without holes; the header names format and version. */
export const SEGMENT_HEADER = Buffer.from('CCSPOOL1', 'latin1');
const NAME = /^(\d{10})\.seg$/;
const CHUNK_BYTES = 1024 * 1024;

export function segmentPath(directory: string, segment: number): string {
  return join(directory, `${String(segment).padStart(10, '0')}.seg`);
}

/** Numbers of the segments in a directory, ascending. @throws UserError when one in between is missing. */
export async function listSegments(directory: string): Promise<number[]> {
  const numbers: number[] = [];
  for (const name of await readdir(directory)) {
    const match = NAME.exec(name);
    if (match?.[1] !== undefined) numbers.push(Number(match[1]));
  }
  numbers.sort((a, b) => a - b);
  return numbers;
}

/** @throws UserError when a segment between two others is gone: its candles would be missing without a word. */
export function assertNoHole(directory: string, numbers: readonly number[]): void {
  for (let i = 1; i < numbers.length; i++) {
    const wanted = (numbers[i - 1] ?? 0) + 1;
    if (numbers[i] !== wanted) {
      throw new UserError(
        `spool segment ${segmentPath(directory, wanted)} is missing. Put it back, or, to go on without the candles in it, rename the later segments so that the numbers follow each other.`,
      );
    }
  }
}

export async function readBytes(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}

/**
 * Whole frames from `offset`, as many as a read of about 1 MiB holds, never past `end`.
 * Empty when `offset` is `end`, or when what stands there is not a frame.
 */
export async function readFrames(handle: FileHandle, offset: number, end: number): Promise<Frame[]> {
  let bytes = await readBytes(handle, offset, Math.min(CHUNK_BYTES, end - offset));
  const first = frameSize(bytes, 0);
  if (first !== null && first > bytes.length && offset + first <= end) bytes = await readBytes(handle, offset, first);
  const frames: Frame[] = [];
  for (let at = 0; ; ) {
    const frame = decodeFrame(bytes, at);
    if (frame === null) return frames;
    frames.push(frame);
    at += frame.size;
  }
}

/** What a segment holds from an offset on. */
export interface SegmentScan {
  /** Where the last whole frame ends. */
  readonly end: number;
  readonly size: number;
  readonly records: number;
  /** Time of the first frame (epoch ms); null when there is none. */
  readonly firstTime: number | null;
}

/**
 * Checks every frame from `offset` on.
 * @throws UserError when the header is not ours, or when a damaged frame is followed by a whole one.
 */
export async function scanSegment(path: string, offset: number): Promise<SegmentScan> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    const header = await readBytes(handle, 0, SEGMENT_HEADER.length);
    if (!SEGMENT_HEADER.subarray(0, header.length).equals(header)) {
      throw new UserError(
        `${path} is not a spool segment of this version (it does not begin with "${SEGMENT_HEADER}"). Move it out of the spool directory to start without it, or start the version that wrote it.`,
      );
    }
    let end = Math.min(Math.max(offset, SEGMENT_HEADER.length), size);
    let records = 0;
    let firstTime: number | null = null;
    while (end < size) {
      const frames = await readFrames(handle, end, size);
      if (frames.length === 0) break;
      for (const frame of frames) {
        end += frame.size;
        records += frame.count;
        firstTime ??= frame.time;
      }
    }
    if (end < size) await refuseDamageInside(handle, path, end, size);
    return { end, size, records, firstTime };
  } finally {
    await handle.close();
  }
}

async function refuseDamageInside(handle: FileHandle, path: string, offset: number, size: number): Promise<void> {
  const rest = await readBytes(handle, offset, size - offset);
  const next = findFrame(rest, 1);
  if (next !== null) throw damaged(path, offset, offset + next);
}

/** Damage with whole frames after it: no crash leaves that, so nobody but the operator may decide what is lost. */
export function damaged(path: string, offset: number, next: number | null): UserError {
  const until = next === null ? 'to its end' : `up to byte ${next}`;
  return new UserError(
    `spool segment ${path} is damaged at byte ${offset} (${until}): closed candles in it may not be in the database yet. Restore the file from a copy; or move it away, start again, and fill the missing minutes from the venue or a replay.`,
  );
}
