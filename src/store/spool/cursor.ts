import { open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** A place between two frames: a segment's number and a byte offset in it. */
export interface SpoolCursor {
  readonly segment: number;
  readonly offset: number;
}

export function compareCursors(a: SpoolCursor, b: SpoolCursor): number {
  return a.segment - b.segment || a.offset - b.offset;
}

const FILE = 'acked.json';

/** The saved cursor; null when there is none or it is unreadable: then everything kept is delivered again, which is harmless. */
export async function loadCursor(directory: string): Promise<SpoolCursor | null> {
  try {
    const value: unknown = JSON.parse(await readFile(join(directory, FILE), 'utf8'));
    if (typeof value !== 'object' || value === null) return null;
    const { segment, offset } = value as Partial<Record<string, unknown>>;
    if (!isCount(segment) || !isCount(offset)) return null;
    return { segment, offset };
  } catch {
    return null;
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Replaces the saved cursor atomically: a crash leaves the old one or the new one. */
export async function saveCursor(directory: string, cursor: SpoolCursor): Promise<void> {
  const path = join(directory, FILE);
  const temporary = `${path}.new`;
  const handle = await open(temporary, 'w');
  try {
    await handle.writeFile(JSON.stringify(cursor));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
  await syncDirectory(dirname(path));
}

/** Makes created, renamed and removed names durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
