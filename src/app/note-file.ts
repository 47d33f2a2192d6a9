import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { z } from 'zod';

/** How far a long piece of work has come: a file of JSON that is there until it is done, and always whole. */
export class NoteFile<T> {
  /** @param path its directory is made when it is written. */
  constructor(
    private readonly path: string,
    private readonly schema: z.ZodType<T>,
  ) {}

  /** null where there is none, or what is there is no such note. */
  async read(): Promise<T | null> {
    const text = await readFile(this.path, 'utf8').catch(() => '');
    return this.schema.safeParse(parseJson(text)).data ?? null;
  }

  async write(note: T): Promise<void> {
    await mkdir(dirname(this.path), { recursive: true });
    await writeFile(`${this.path}.new`, `${JSON.stringify(note)}\n`);
    await rename(`${this.path}.new`, this.path);
  }

  async remove(): Promise<void> {
    await rm(this.path, { force: true });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
