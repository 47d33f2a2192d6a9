import { stat } from 'node:fs/promises';
import { loadCursor } from './cursor.js';
import { listSegments, SEGMENT_HEADER, segmentPath } from './segment.js';

export interface SpoolLook {
  readonly bytes: number;
  /** Not in the database yet, as far as the cursor on disk says, which is up to a second old. */
  readonly bytesBehind: number;
}

/** A spool from outside, without disturbing who uses it. Nothing where there is no spool. */
export async function lookAtSpool(directory: string): Promise<SpoolLook> {
  const segments = await listSegments(directory).catch(() => []);
  const cursor = await loadCursor(directory);
  let bytes = 0;
  let bytesBehind = 0;
  for (const segment of segments) {
    // Drained and removed while we look: then it is not there.
    const { size } = await stat(segmentPath(directory, segment)).catch(() => ({ size: 0 }));
    bytes += size;
    const done = cursor?.segment === segment ? cursor.offset : SEGMENT_HEADER.length;
    if (cursor === null || segment >= cursor.segment) bytesBehind += Math.max(0, size - done);
  }
  return { bytes, bytesBehind };
}
