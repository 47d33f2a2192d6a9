import { crc32 } from 'node:zlib';

/** Records on disk: length and CRC-32 of the payload (both u32 little-endian), then the payload. */
const HEAD_BYTES = 8;
/** No record is longer; a larger length is damage. */
export const MAX_RECORD_BYTES = 16 * 1024 * 1024;

export function frame(payload: string): Buffer {
  const bytes = Buffer.byteLength(payload);
  const buffer = Buffer.allocUnsafe(HEAD_BYTES + bytes);
  buffer.write(payload, HEAD_BYTES);
  buffer.writeUInt32LE(bytes, 0);
  buffer.writeUInt32LE(crc32(buffer.subarray(HEAD_BYTES)), 4);
  return buffer;
}

/** What a segment holds. `end`: bytes that are whole; `damage`: null, "torn" (a record cut short at the end) or "corrupt" (bytes that differ from what was written). */
export interface Scan {
  readonly payloads: readonly string[];
  readonly end: number;
  readonly damage: 'torn' | 'corrupt' | null;
}

export function scan(segment: Buffer): Scan {
  const payloads: string[] = [];
  let at = 0;
  while (at < segment.length) {
    const length = at + HEAD_BYTES <= segment.length ? segment.readUInt32LE(at) : 0;
    const next = at + HEAD_BYTES + length;
    if (at + HEAD_BYTES > segment.length) return { payloads, end: at, damage: 'torn' };
    if (length === 0 || length > MAX_RECORD_BYTES) return { payloads, end: at, damage: tailDamage(segment, at) };
    if (next > segment.length) return { payloads, end: at, damage: 'torn' };
    const payload = segment.subarray(at + HEAD_BYTES, next);
    if (crc32(payload) !== segment.readUInt32LE(at + 4))
      return { payloads, end: at, damage: next === segment.length ? 'torn' : 'corrupt' };
    payloads.push(payload.toString());
    at = next;
  }
  return { payloads, end: at, damage: null };
}

/** A crash of the machine may leave zeros behind the last whole record. */
function tailDamage(segment: Buffer, from: number): 'torn' | 'corrupt' {
  return segment.subarray(from).every((byte) => byte === 0) ? 'torn' : 'corrupt';
}
