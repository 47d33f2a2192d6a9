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
 * One COPY: all rows or none, and none unless all `epochs` (those of the rows) are current writers' until it is committed.
 * Both statements go in one message, which makes them one transaction. Resolves with the number of rows when the server
 * has committed them; rejects with SQLSTATE NOT_A_WRITER.
 *
 * The stream that postgres.js 3.4.9 gives out for COPY tells nothing when the server refuses after the last byte: its
 * `finish` would then come with the next statement's completion, as if it had succeeded. So the outcome is taken from
 * the query itself: its `resolve` is called a first time with the stream, and when the server is ready again with the
 * result; its `reject` with any error, a lost connection included.
 *
 * When such a stream is destroyed, which it also is at its end, it sends a CopyFail. A COPY that failed leaves its end
 * to the next statement that completes on the connection: that would be the CALL, and its COPY would fail. So ours sends none.
 */
export async function copyRows(sql: Sql, chunks: readonly Buffer[], epochs: readonly number[]): Promise<number> {
  const query = sql.unsafe(`CALL require_writers('{${epochs.join(',')}}'); ${COPY}`);
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
      streamed(withoutCopyFail(value as Writable));
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

function withoutCopyFail(stream: Writable): Writable {
  stream._destroy = (error, done) => done(error);
  return stream;
}
