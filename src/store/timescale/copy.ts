import type { Writable } from 'node:stream';
import { COLUMNS } from './copy-row.js';
import type { Sql } from './database.js';

const COPY = `COPY ohlcv (${COLUMNS.map((column) => `"${column}"`).join(', ')}) FROM STDIN (FORMAT binary)`;

/** What postgres.js calls when the statement is over; see below. */
interface Outcome {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/**
 * One COPY statement: all rows or none. Resolves with the number of rows when the server has committed it.
 *
 * The stream that postgres.js 3.4.9 gives out for COPY tells nothing when the server refuses after the last byte: its
 * `finish` would then come with the next statement's completion, as if it had succeeded. So the outcome is taken from
 * the query itself: its `resolve` is called a first time with the stream, and when the server is ready again with the
 * result; its `reject` with any error, a lost connection included.
 */
export async function copyRows(sql: Sql, chunks: readonly Buffer[]): Promise<number> {
  const query = sql.unsafe(COPY);
  const hooks = query as unknown as Outcome;
  let streamed: (stream: Writable) => void = () => {};
  let refused: (error: unknown) => void = () => {};
  const opened = new Promise<Writable>((resolve, reject) => {
    streamed = resolve;
    refused = reject;
  });
  const committed = new Promise<number>((resolve, reject) => {
    hooks.resolve = (value) => {
      hooks.resolve = (result) => resolve((result as { count: number }).count);
      streamed(value as Writable);
    };
    hooks.reject = (error) => {
      refused(error);
      reject(error);
    };
  });
  committed.catch(() => undefined);
  query.simple().execute();
  const stream = await opened;
  stream.on('error', () => undefined);
  const stopped = committed.catch(() => undefined);
  for (const chunk of chunks) {
    if (stream.destroyed) break;
    if (!stream.write(chunk)) await Promise.race([new Promise((resolve) => stream.once('drain', resolve)), stopped]);
  }
  if (!stream.destroyed) stream.end();
  return committed;
}
