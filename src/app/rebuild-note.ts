import { join } from 'node:path';
import { z } from 'zod';
import { NoteFile } from './note-file.js';

const NOTE = z.strictObject({
  from: z.int(),
  to: z.int(),
  /** The one that was asked for; null: all. */
  symbol: z.string().nullable(),
  /** The last symbol that is written. */
  done: z.string(),
});

export type Rebuilding = z.infer<typeof NOTE>;

/** How far a rebuild has come; it is there while one is cut short. */
export class RebuildNote extends NoteFile<Rebuilding> {
  constructor(dataDir: string) {
    super(join(dataDir, 'analytics', 'rebuild.json'), NOTE);
  }
}
