import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** How far a rebuild has come: a file in DATA_DIR that is there until it is done. */
export class RebuildNote {
  readonly #directory: string;
  readonly #path: string;
  readonly #what: string;

  /** @param what tells this rebuild from another one. */
  constructor(dataDir: string, what: string) {
    this.#directory = join(dataDir, 'analytics');
    this.#path = join(this.#directory, 'rebuild.txt');
    this.#what = what;
  }

  /** The last symbol that is written; null where nothing of this rebuild is. */
  async read(): Promise<string | null> {
    const text = await readFile(this.#path, 'utf8').catch(() => '');
    const [what, symbol] = text.split('\n');
    return what === this.#what && symbol !== undefined && symbol !== '' ? symbol : null;
  }

  async write(symbol: string): Promise<void> {
    await mkdir(this.#directory, { recursive: true });
    await writeFile(`${this.#path}.new`, `${this.#what}\n${symbol}\n`);
    await rename(`${this.#path}.new`, this.#path);
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true });
  }
}
