/**
 * The parts of the PostgreSQL wire protocol 3.0 that the front needs: cutting a byte stream into messages, and building
 * the few messages it answers by itself. https://www.postgresql.org/docs/17/protocol-message-formats.html
 */

/** Message types a frontend may send after start-up; anything else would kill the one backend. */
export const Frontend = {
  bind: 0x42,
  close: 0x43,
  copyData: 0x64,
  copyDone: 0x63,
  copyFail: 0x66,
  describe: 0x44,
  execute: 0x45,
  flush: 0x48,
  parse: 0x50,
  query: 0x51,
  sync: 0x53,
  terminate: 0x58,
} as const;

export const Backend = {
  commandComplete: 0x43,
  copyInResponse: 0x47,
  dataRow: 0x44,
  error: 0x45,
  notification: 0x41,
  parseComplete: 0x31,
  readyForQuery: 0x5a,
} as const;

/** What follows ReadyForQuery: idle, in a transaction, in a failed transaction. */
export type TransactionStatus = 'I' | 'T' | 'E';

export const HEADER_BYTES = 5;

/** One message, header included. `body` starts at HEADER_BYTES of `bytes`. */
export interface Message {
  readonly type: number;
  readonly bytes: Buffer;
}

/** Builds a message from its body. */
export function message(type: number, ...body: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header[0] = type;
  header.writeInt32BE(4 + body.reduce((sum, part) => sum + part.length, 0), 1);
  return Buffer.concat([header, ...body]);
}

export function cstring(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

export function query(text: string): Buffer {
  return message(Frontend.query, cstring(text));
}

export const SYNC = message(Frontend.sync);
export const AUTHENTICATION_OK = message(0x52, int32(0));

export function readyForQuery(status: TransactionStatus): Buffer {
  return message(Backend.readyForQuery, Buffer.from(status));
}

export function parameterStatus(name: string, value: string): Buffer {
  return message(0x53, cstring(name), cstring(value));
}

export function backendKeyData(key: { readonly pid: number; readonly secret: number }): Buffer {
  return message(0x4b, int32(key.pid), int32(key.secret));
}

/** `COPY` may start: columns are not announced, which no driver asks for. */
export function copyInResponse(binary: boolean): Buffer {
  return message(Backend.copyInResponse, Buffer.from([binary ? 1 : 0, 0, 0]));
}

/** @param code SQLSTATE. */
export function errorResponse(severity: 'ERROR' | 'FATAL', code: string, text: string): Buffer {
  const field = (key: string, value: string) => Buffer.concat([Buffer.from(key), cstring(value)]);
  return message(
    Backend.error,
    field('S', severity),
    field('V', severity),
    field('C', code),
    field('M', text),
    Buffer.from([0]),
  );
}

/** Reads the zero-terminated string at `offset`; `end` is the offset after its zero. */
export function readCString(bytes: Buffer, offset: number): { text: string; end: number } {
  const zero = bytes.indexOf(0, offset);
  const stop = zero < 0 ? bytes.length : zero;
  return { text: bytes.toString('utf8', offset, stop), end: Math.min(stop + 1, bytes.length) };
}

/** Calls `visit` with the type and the bounds of each backend message in `reply`. */
export function eachMessage(reply: Buffer, visit: (type: number, start: number, end: number) => void): void {
  let start = 0;
  while (start + HEADER_BYTES <= reply.length) {
    const end = start + 1 + reply.readInt32BE(start + 1);
    visit(reply.readUInt8(start), start, end);
    start = end;
  }
}
