import { join } from 'node:path';
import { z } from 'zod';
import { NoteFile } from '../note-file.js';

const NOTE = z.strictObject({ identity: z.string(), done: z.int(), epochs: z.array(z.int()) });

/** How far an import has come; a file in DATA_DIR that is there until it is done. */
export class ImportNote {
  readonly #file: NoteFile<z.infer<typeof NOTE>>;
  readonly #identity: string;
  /** The writers that earlier runs of this import were, and this one. */
  readonly epochs: number[] = [];

  constructor(dataDir: string, name: string, identity: string) {
    this.#file = new NoteFile(join(dataDir, 'import', `${name}.json`), NOTE);
    this.#identity = identity;
  }

  /** Every minute before this open time is in the spool or the table; null where nothing of this file is. */
  async read(): Promise<number | null> {
    const note = await this.#file.read();
    if (note === null || note.identity !== this.#identity) return null;
    this.epochs.push(...note.epochs);
    return note.done;
  }

  write(done: number): Promise<void> {
    return this.#file.write({ identity: this.#identity, done, epochs: this.epochs });
  }

  remove(): Promise<void> {
    return this.#file.remove();
  }
}
