import { mkdir, open, unlink } from 'node:fs/promises';
import type { Log } from '../../kit/log.js';
import { loadCursor, type SpoolCursor } from './cursor.js';
import { assertNoHole, damaged, listSegments, SEGMENT_HEADER, scanSegment, segmentPath } from './segment.js';

/** What a directory holds at start. */
export interface Recovered {
  /** Where the drain goes on. */
  readonly acked: SpoolCursor;
  /** End of the last segment; segment 0 when there is none. */
  readonly end: SpoolCursor;
  /** Bytes of all segments. */
  readonly bytes: number;
  readonly segments: readonly number[];
  readonly pendingRecords: number;
  /** Time of the oldest pending frame, epoch ms. */
  readonly oldestTime: number | null;
  /** Bytes cut off the end: what a crash left of a group that was never acknowledged. */
  readonly tornBytes: number;
}

/**
 * Opens a spool directory: drops acknowledged segments, checks every pending frame, cuts off a torn tail.
 * @throws UserError on damage that is not a torn tail, naming file and offset.
 */
export async function recover(directory: string, log: Log): Promise<Recovered> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const saved = (await loadCursor(directory)) ?? { segment: 0, offset: 0 };
  const segments = await dropAcked(directory, saved.segment);
  let bytes = 0;
  let pendingRecords = 0;
  let oldestTime: number | null = null;
  let tornBytes = 0;
  let end: SpoolCursor = { segment: saved.segment, offset: saved.offset };
  for (const [i, segment] of segments.entries()) {
    const path = segmentPath(directory, segment);
    const scan = await scanSegment(path, segment === saved.segment ? saved.offset : 0);
    if (scan.end < scan.size || scan.size < SEGMENT_HEADER.length) {
      await cutTail(path, scan.end, i === segments.length - 1 ? log : null);
      tornBytes += scan.size - scan.end;
    }
    end = { segment, offset: Math.max(scan.end, SEGMENT_HEADER.length) };
    bytes += end.offset;
    pendingRecords += scan.records;
    oldestTime ??= scan.firstTime;
  }
  return { acked: clampAcked(saved, segments, end), end, bytes, segments, pendingRecords, oldestTime, tornBytes };
}

async function dropAcked(directory: string, ackedSegment: number): Promise<number[]> {
  const all = await listSegments(directory);
  for (const segment of all) if (segment < ackedSegment) await unlink(segmentPath(directory, segment));
  const rest = all.filter((segment) => segment >= ackedSegment);
  assertNoHole(directory, rest);
  return rest;
}

function clampAcked(saved: SpoolCursor, segments: readonly number[], end: SpoolCursor): SpoolCursor {
  const first = segments[0];
  // Numbers are never used twice: after the last acknowledged segment the next one follows.
  if (first === undefined) return { segment: saved.segment + 1, offset: SEGMENT_HEADER.length };
  if (saved.segment !== first) return { segment: first, offset: SEGMENT_HEADER.length };
  const offset = Math.max(saved.offset, SEGMENT_HEADER.length);
  return { segment: first, offset: first === end.segment ? Math.min(offset, end.offset) : offset };
}

async function cutTail(path: string, offset: number, log: Log | null): Promise<void> {
  if (log === null) throw damaged(path, offset, null);
  const handle = await open(path, 'r+');
  try {
    await handle.truncate(offset);
    if (offset < SEGMENT_HEADER.length) await handle.write(SEGMENT_HEADER, 0, SEGMENT_HEADER.length, 0);
    await handle.sync();
  } finally {
    await handle.close();
  }
  log.warn({ path, offset }, 'cut a torn tail off the spool: a group that was never acknowledged');
}
