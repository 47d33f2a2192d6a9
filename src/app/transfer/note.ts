import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { parseJson } from '../parse-json.js';

const NOTE = z.strictObject({ identity: z.string(), done: z.int(), epochs: z.array(z.int()) });

/** How far an import has come; a file in DATA_DIR that is there until it is done. */
export class ImportNote {
  readonly #directory: string;
  readonly #path: string;
  readonly #identity: string;
  /** The writers that earlier runs of this import were, and this one. */
  readonly epochs: number[] = [];

  constructor(dataDir: string, name: string, identity: string) {
    this.#directory = join(dataDir, 'import');
    this.#path = join(this.#directory, `${name}.json`);
    this.#identity = identity;
  }

  /** Every minute before this open time is in the spool or the table; null where nothing of this file is. */
  async read(): Promise<number | null> {
    const text = await readFile(this.#path, 'utf8').catch(() => '');
    const note = NOTE.safeParse(parseJson(text)).data;
    if (note === undefined || note.identity !== this.#identity) return null;
    this.epochs.push(...note.epochs);
    return note.done;
  }

  async write(done: number): Promise<void> {
    await mkdir(this.#directory, { recursive: true });
    const text = JSON.stringify({ identity: this.#identity, done, epochs: this.epochs });
    await writeFile(`${this.#path}.new`, `${text}\n`);
    await rename(`${this.#path}.new`, this.#path);
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true });
  }
}
