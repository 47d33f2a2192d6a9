import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { parseJson } from './parse-json.js';

const NOTE = z.strictObject({
  from: z.int(),
  to: z.int(),
  /** The one that was asked for; null: all. */
  symbol: z.string().nullable(),
  /** The last symbol that is written. */
  done: z.string(),
});

export type Rebuilding = z.infer<typeof NOTE>;

/** How far a rebuild has come: a file in DATA_DIR that is there until it is done. */
export class RebuildNote {
  readonly #directory: string;
  readonly #path: string;

  constructor(dataDir: string) {
    this.#directory = join(dataDir, 'analytics');
    this.#path = join(this.#directory, 'rebuild.json');
  }

  /** The rebuild that was cut short; null where none was. */
  async read(): Promise<Rebuilding | null> {
    const text = await readFile(this.#path, 'utf8').catch(() => '');
    return NOTE.safeParse(parseJson(text)).data ?? null;
  }

  async write(rebuilding: Rebuilding): Promise<void> {
    await mkdir(this.#directory, { recursive: true });
    await writeFile(`${this.#path}.new`, `${JSON.stringify(rebuilding)}\n`);
    await rename(`${this.#path}.new`, this.#path);
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true });
  }
}
