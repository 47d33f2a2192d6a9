import { appendFile, mkdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { LineSplitter } from '../../feed/replay/lines.js';
import { openTradeFile } from '../../feed/replay/source.js';
import { UserError } from '../../kit/errors.js';

/** A file with more wrong lines than this is another kind of file. */
const WRONG_MAX = 10_000;

export interface Row<T> {
  readonly line: number;
  readonly text: string;
  readonly value: T;
}

export interface CsvFile<T> {
  /** Tells it from what it was, and from others. */
  readonly identity: string;
  /** The rows in batches. A wrong line stops it, after what is before it; or is put aside. @throws UserError */
  rows(): AsyncGenerator<readonly Row<T>[]>;
  /** A row that is wrong beside the others. @throws UserError */
  refuse(row: Row<T>, why: string): Promise<void>;
  /** Share that was read, 0..1. */
  progress(): number;
  /** Lines that were put aside. */
  readonly wrong: number;
}

export interface CsvFileOptions<T> {
  readonly path: string;
  readonly content: 'trades' | 'candles';
  /** Takes the first line. @returns what reads the others, or what is wrong. */
  header(line: string | undefined): ((line: string) => T | string) | string;
  /** Where wrong lines are put; null: the first one stops. */
  readonly quarantineDirectory: string | null;
}

/** Opens a CSV file, plain or gzip, and reads its header. @throws UserError */
export async function openCsv<T>(options: CsvFileOptions<T>): Promise<CsvFile<T>> {
  const { path } = options;
  const file = await openTradeFile(path, 'import', options.content);
  const { size, mtimeMs } = await stat(path);
  const wrong = new WrongLines(path, options.quarantineDirectory);
  const first = await firstLine(path);
  const read = options.header(first);
  if (typeof read === 'string') throw new UserError(`${path}:1: ${read}`);
  return {
    identity: `${basename(path)} ${size} ${mtimeMs}`,
    rows: () => readRows(file, path, read, wrong),
    refuse: ({ line, text }, why) => wrong.add(line, text, why),
    progress: () => file.progress(),
    get wrong() {
      return wrong.count;
    },
  };
}

async function firstLine(path: string): Promise<string | undefined> {
  const splitter = new LineSplitter();
  try {
    for await (const chunk of (await openTradeFile(path, 'import')).chunks()) {
      const [line] = splitter.push(chunk);
      if (line !== undefined) return line;
    }
    return splitter.end()[0];
  } catch (error) {
    throw unreadable(path, error);
  }
}

async function* readRows<T>(
  file: { chunks(): AsyncGenerator<string> },
  path: string,
  read: (line: string) => T | string,
  wrong: WrongLines,
): AsyncGenerator<readonly Row<T>[]> {
  const splitter = new LineSplitter();
  let number = 0;
  async function* take(lines: readonly string[]): AsyncGenerator<readonly Row<T>[]> {
    let rows: Row<T>[] = [];
    for (const text of lines) {
      number++;
      if (number === 1 || text === '') continue;
      const value = read(text);
      if (typeof value !== 'string') rows.push({ line: number, text, value });
      else {
        yield rows;
        rows = [];
        await wrong.add(number, text, value);
      }
    }
    yield rows;
  }
  const chunks = file.chunks();
  try {
    for (;;) {
      const next = await chunks.next().catch((error: unknown) => {
        throw unreadable(path, error);
      });
      if (next.done === true) break;
      yield* take(splitter.push(next.value));
    }
    yield* take(splitter.end());
  } finally {
    await chunks.return(undefined);
  }
}

function unreadable(path: string, error: unknown): UserError {
  if (error instanceof UserError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new UserError(`cannot import ${path}: ${why}: is it damaged, or cut off?`, { cause: error });
}

class WrongLines {
  count = 0;
  readonly #path: string;
  readonly #directory: string | null;

  constructor(path: string, directory: string | null) {
    this.#path = path;
    this.#directory = directory;
  }

  async add(line: number, text: string, why: string): Promise<void> {
    const where = `${this.#path}:${line}: ${why}`;
    if (this.#directory === null)
      throw new UserError(
        `${where}. The lines before it are imported: correct this one and run the same again, or leave wrong lines out with --skip-bad`,
      );
    if (++this.count > WRONG_MAX)
      throw new UserError(`${where}. More than ${WRONG_MAX} lines are wrong: is it the right file?`);
    await mkdir(this.#directory, { recursive: true });
    const entry = `${JSON.stringify({ file: this.#path, line, reason: why, text })}\n`;
    await appendFile(join(this.#directory, `import-${basename(this.#path)}.ndjson`), entry);
  }
}
