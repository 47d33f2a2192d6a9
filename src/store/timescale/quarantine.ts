import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { SpoolRecord } from '../spool/record.js';

const FILE = 'quarantine.ndjson';

/** Appends a record that the database refuses for good to `quarantine.ndjson`, durably, one JSON object a line. */
export async function quarantine(directory: string, record: SpoolRecord, reason: string): Promise<string> {
  const path = join(directory, FILE);
  const handle = await open(path, 'a');
  try {
    await handle.writeFile(`${JSON.stringify({ reason, ...record })}\n`);
    await handle.datasync();
  } finally {
    await handle.close();
  }
  return path;
}
