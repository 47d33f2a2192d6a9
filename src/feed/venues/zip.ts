import { createReadStream } from 'node:fs';
import { createInflateRaw } from 'node:zlib';

const LOCAL_HEADER = 0x04034b50;
const HEADER_BYTES = 30;
const DEFLATED = 8;

/**
 * The first file of a ZIP archive, as it streams in (exchanges pack one file into each). Sizes are not needed: deflated data says itself
 * where it ends. Throws, after what could be read, when the archive is cut short or is none.
 */
export async function* unzipFirst(path: string): AsyncGenerator<Buffer> {
  const stream = createReadStream(path);
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const { method, rest } = await readHeader(chunks, path);
  if (method !== DEFLATED) throw new Error(`${path}: its compression (${method}) is not deflate`);
  const inflate = createInflateRaw();
  const feed = async () => {
    if (rest.length > 0) inflate.write(rest);
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
      if (inflate.writableEnded || inflate.destroyed) break;
      if (!inflate.write(next.value))
        await new Promise((resolve) => inflate.once('drain', resolve).once('close', resolve));
    }
    inflate.end();
  };
  feed().catch((error: unknown) => inflate.destroy(error instanceof Error ? error : new Error(String(error))));
  try {
    for await (const chunk of inflate) yield chunk as Buffer;
  } finally {
    stream.destroy();
  }
}

async function readHeader(chunks: AsyncIterator<Buffer>, path: string): Promise<{ method: number; rest: Buffer }> {
  let head: Buffer = Buffer.alloc(0);
  const atLeast = async (bytes: number) => {
    while (head.length < bytes) {
      const next = await chunks.next();
      if (next.done === true) throw new Error(`${path} is no ZIP archive, or is cut short`);
      head = Buffer.concat([head, next.value]);
    }
  };
  await atLeast(HEADER_BYTES);
  if (head.readUInt32LE(0) !== LOCAL_HEADER) throw new Error(`${path} is no ZIP archive`);
  const bytes = HEADER_BYTES + head.readUInt16LE(26) + head.readUInt16LE(28);
  await atLeast(bytes);
  return { method: head.readUInt16LE(8), rest: head.subarray(bytes) };
}
