import { once } from 'node:events';
import { type FileHandle, open } from 'node:fs/promises';
import { createGunzip, type Gunzip } from 'node:zlib';
import { UserError } from '../../kit/errors.js';

/** Read size. Compressed input is taken in small bites, since 1 KB of it may hold 1 MB. */
const READ_BYTES = 16 * 1024;

export interface TradeFile {
  /** The file's text as Latin-1, in order. Throws after everything that could be read was delivered. */
  chunks(): AsyncGenerator<string>;
  /** Share of the file that was read, 0..1. */
  progress(): number;
}

/** Opens a file of trades, or another CSV file: what is done with it, and what is in it, is for errors. @throws UserError when it is missing, no file or unreadable. */
export async function openTradeFile(path: string, doing = 'replay', content = 'trades'): Promise<TradeFile> {
  const handle = await openOrExplain(path, doing);
  try {
    const stat = await handle.stat();
    if (!stat.isFile())
      throw new UserError(`${path} is not a file: ${doing} takes a CSV file of ${content}, plain or gzip`);
    const magic = Buffer.alloc(2);
    await handle.read(magic, 0, 2, 0);
    const packed = magic[0] === 0x1f && magic[1] === 0x8b;
    return new OpenedFile(path, doing, stat.size, packed);
  } finally {
    await handle.close();
  }
}

async function openOrExplain(path: string, doing: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : cause;
    const why = code === 'ENOENT' ? 'there is no such file' : code === 'EACCES' ? 'it may not be read' : String(code);
    throw new UserError(`cannot ${doing} ${path}: ${why}`, { cause });
  }
}

class OpenedFile implements TradeFile {
  #read = 0;

  constructor(
    private readonly path: string,
    private readonly doing: string,
    private readonly size: number,
    private readonly packed: boolean,
  ) {}

  progress(): number {
    return this.size === 0 ? 1 : Math.min(1, this.#read / this.size);
  }

  async *chunks(): AsyncGenerator<string> {
    const bytes = this.packed ? unpack(this.#bytes()) : this.#bytes();
    for await (const chunk of bytes) yield chunk.toString('latin1');
  }

  async *#bytes(): AsyncGenerator<Buffer> {
    const handle = await openOrExplain(this.path, this.doing);
    try {
      for (;;) {
        const { bytesRead, buffer } = await handle.read(Buffer.alloc(READ_BYTES), 0, READ_BYTES, null);
        if (bytesRead === 0) return;
        this.#read += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await handle.close();
    }
  }
}

/** Unlike a piped stream, this hands on what was unpacked before it reports that the rest is damaged or missing. */
async function* unpack(packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip();
  const out: Buffer[] = [];
  gunzip.on('data', (chunk: Buffer) => out.push(chunk));
  const failed = once(gunzip, 'close').then(() => {
    throw gunzip.errored ?? new Error('the gzip stream closed early');
  });
  failed.catch(() => {});
  try {
    for await (const chunk of packed) {
      const error = await settled(Promise.race([written(gunzip, chunk), failed]));
      yield* out.splice(0);
      if (error !== null) throw error;
    }
    const error = await settled(Promise.race([ended(gunzip), failed]));
    yield* out.splice(0);
    if (error !== null) throw error;
  } finally {
    gunzip.destroy();
  }
}

function written(gunzip: Gunzip, chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    gunzip.write(chunk, (error) => (error ? reject(error) : resolve()));
  });
}

function ended(gunzip: Gunzip): Promise<void> {
  const done = new Promise<void>((resolve) => gunzip.once('end', () => resolve()));
  gunzip.end();
  return done;
}

function settled(promise: Promise<void>): Promise<Error | null> {
  return promise.then(
    () => null,
    (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
  );
}
