import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { SpoolRecord } from '../spool/record.js';

export const QUARANTINE_FILE = 'quarantine.ndjson';
/** How the reason begins where a record's writer was superseded. */
export const FENCED = 'fenced: ';
const LINES_PER_WRITE = 500;

/** Appends records that will never be in the database to `quarantine.ndjson`, durably, one JSON object a line; makes the directory. @returns its path */
export async function quarantine(
  directory: string,
  records: readonly SpoolRecord[],
  reason: (record: SpoolRecord) => string,
): Promise<string> {
  const path = join(directory, QUARANTINE_FILE);
  await mkdir(directory, { recursive: true });
  const handle = await open(path, 'a');
  try {
    for (let i = 0; i < records.length; i += LINES_PER_WRITE) {
      const some = records.slice(i, i + LINES_PER_WRITE);
      const lines = some.map((record) => `${JSON.stringify({ reason: reason(record), ...record })}\n`);
      await handle.writeFile(lines.join(''));
    }
    await handle.datasync();
  } finally {
    await handle.close();
  }
  return path;
}
