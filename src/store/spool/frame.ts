import { crc32 } from 'node:zlib';

/**
 * A frame is what one group commit writes, all little-endian:
 *
 *     u32 length   of everything after the CRC
 *     u32 crc      CRC-32 of `length` and everything after the CRC
 *     u32 count    number of records
 *     f64 time     epoch ms at which the group was written
 *     bytes        the records, see record.ts
 *
 * One group is one frame, so that pages which reach the disk out of order within an unacknowledged group leave one bad
 * frame at the end and never a bad one before a good one.
 */
export interface Frame {
  readonly count: number;
  readonly time: number;
  readonly body: Buffer;
  /** Bytes of the whole frame on disk. */
  readonly size: number;
}

const PREFIX_BYTES = 8;
const INNER_BYTES = 12;
export const FRAME_OVERHEAD_BYTES = PREFIX_BYTES + INNER_BYTES;
/** No frame is longer: what claims to be is damage. */
export const MAX_FRAME_BYTES = 16 * 1024 * 1024;

export function encodeFrame(count: number, time: number, pieces: readonly Buffer[]): Buffer {
  let bodyBytes = 0;
  for (const piece of pieces) bodyBytes += piece.length;
  const frame = Buffer.allocUnsafe(FRAME_OVERHEAD_BYTES + bodyBytes);
  frame.writeUInt32LE(INNER_BYTES + bodyBytes, 0);
  frame.writeUInt32LE(count, PREFIX_BYTES);
  frame.writeDoubleLE(time, PREFIX_BYTES + 4);
  let at = FRAME_OVERHEAD_BYTES;
  for (const piece of pieces) at += piece.copy(frame, at);
  frame.writeUInt32LE(frameCrc(frame), 4);
  return frame;
}

/** Size of the frame that starts at `at`, from its length field; null when that field is cut off or impossible. */
export function frameSize(bytes: Buffer, at: number): number | null {
  if (at + PREFIX_BYTES > bytes.length) return null;
  const size = PREFIX_BYTES + bytes.readUInt32LE(at);
  return size < FRAME_OVERHEAD_BYTES || size > MAX_FRAME_BYTES ? null : size;
}

/** The frame at `at`, or null when it is cut off or damaged. The body is a view of `bytes`. */
export function decodeFrame(bytes: Buffer, at: number): Frame | null {
  const size = frameSize(bytes, at);
  if (size === null || at + size > bytes.length) return null;
  const frame = bytes.subarray(at, at + size);
  if (frameCrc(frame) !== frame.readUInt32LE(4)) return null;
  return {
    count: frame.readUInt32LE(PREFIX_BYTES),
    time: frame.readDoubleLE(PREFIX_BYTES + 4),
    body: frame.subarray(FRAME_OVERHEAD_BYTES),
    size,
  };
}

/** Offset of the first whole frame at or after `from`, or null. Tells damage in the middle from a torn tail. */
export function findFrame(bytes: Buffer, from: number): number | null {
  const last = bytes.length - FRAME_OVERHEAD_BYTES;
  for (let at = from; at <= last; at++) if (decodeFrame(bytes, at) !== null) return at;
  return null;
}

function frameCrc(frame: Buffer): number {
  return crc32(frame.subarray(PREFIX_BYTES), crc32(frame.subarray(0, 4)));
}
