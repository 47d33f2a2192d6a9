import { createHash } from 'node:crypto';
import { cstring, Frontend, HEADER_BYTES, type Message, message, readCString } from './wire.js';

/** A run of messages the backend gets as one buffer: a simple query, or Parse … up to Sync or Flush. */
export interface Request {
  readonly messages: Buffer[];
  bytes: number;
  /** Texts of the statements in it (Query and Parse). */
  readonly texts: string[];
  /** Ends in a Flush: the client goes on before the transaction status is known. */
  endsInFlush: boolean;
  /** Binds or runs something. */
  acts: boolean;
  /** COPY … FROM STDIN: not complete before the client's data is. */
  copy: { readonly binary: boolean; announced: boolean; complete: boolean } | null;
  /** Binds or describes the unnamed statement without parsing one first. */
  needsUnnamed: boolean;
  /** The unnamed statement as it leaves the request: a Parse message, null = dropped, undefined = untouched. */
  unnamed: Buffer | null | undefined;
}

export function newRequest(): Request {
  return {
    messages: [],
    bytes: 0,
    texts: [],
    endsInFlush: false,
    acts: false,
    copy: null,
    needsUnnamed: false,
    unnamed: undefined,
  };
}

const BLANKS = String.raw`(?:\s|--[^\n]*(?:\n|$)|/\*(?:[^*]|\*(?!/))*\*/)*`;
/** Alone or after a CALL, which then belongs to the same transaction. */
const COPY_FROM_STDIN = new RegExp(String.raw`^${BLANKS}(?:call\b[^;]*;${BLANKS})?copy\b[^;]*\bfrom\s+stdin\b`, 'i');
const BINARY = /\bbinary\b/i;
/** Prepared-statement names are cut at 63 bytes by the server. */
const NAME_BYTES_MAX = 63;

/** Statement names of one connection in the backend that all connections share. */
export function privateName(connection: number, name: string): string {
  const whole = `${connection}~${name}`;
  if (Buffer.byteLength(whole) <= NAME_BYTES_MAX) return whole;
  return `${connection}~${createHash('sha1').update(name).digest('hex')}`;
}

export function closeStatement(privateStatementName: string): Buffer {
  return message(Frontend.close, Buffer.from('S'), cstring(privateStatementName));
}

/** Adds a message of connection `connection` to its request; names in it become private. Returns true when that completes it. */
export function addMessage(request: Request, connection: number, incoming: Message, names: Set<string>): boolean {
  switch (incoming.type) {
    case Frontend.query:
      return addQuery(request, incoming);
    case Frontend.parse:
      addParse(request, connection, incoming, names);
      return false;
    case Frontend.bind:
      addBind(request, connection, incoming);
      return false;
    case Frontend.describe:
    case Frontend.close:
      addNamed(request, connection, incoming, names);
      return false;
    default:
      push(request, incoming.bytes);
      request.endsInFlush = incoming.type === Frontend.flush;
      if (request.endsInFlush || incoming.type === Frontend.sync) return true;
      request.acts = true;
      return false;
  }
}

function push(request: Request, bytes: Buffer): void {
  request.messages.push(bytes);
  request.bytes += bytes.length;
}

function addQuery(request: Request, incoming: Message): boolean {
  request.acts = true;
  const { text } = readCString(incoming.bytes, HEADER_BYTES);
  request.texts.push(text);
  request.unnamed = null;
  push(request, incoming.bytes);
  const copies = COPY_FROM_STDIN.test(text);
  if (copies) request.copy = { binary: BINARY.test(text), announced: false, complete: false };
  return true;
}

/** Adds a message of the COPY sub-protocol; Flush and Sync mean nothing in it. */
export function addCopyMessage(request: Request, incoming: Message): void {
  const { type } = incoming;
  if (type === Frontend.flush || type === Frontend.sync) return;
  push(request, incoming.bytes);
  if (request.copy !== null && type !== Frontend.copyData) request.copy.complete = true;
}

function addParse(request: Request, connection: number, incoming: Message, names: Set<string>): void {
  const name = readCString(incoming.bytes, HEADER_BYTES);
  request.texts.push(readCString(incoming.bytes, name.end).text);
  if (name.text === '') {
    request.unnamed = incoming.bytes;
    push(request, incoming.bytes);
    return;
  }
  const own = privateName(connection, name.text);
  names.add(own);
  push(request, message(Frontend.parse, cstring(own), incoming.bytes.subarray(name.end)));
}

function addBind(request: Request, connection: number, incoming: Message): void {
  request.acts = true;
  const portal = readCString(incoming.bytes, HEADER_BYTES);
  const statement = readCString(incoming.bytes, portal.end);
  if (statement.text === '') {
    usesUnnamed(request);
    push(request, incoming.bytes);
    return;
  }
  const own = cstring(privateName(connection, statement.text));
  const head = incoming.bytes.subarray(HEADER_BYTES, portal.end);
  push(request, message(Frontend.bind, head, own, incoming.bytes.subarray(statement.end)));
}

const STATEMENT = 0x53;

function addNamed(request: Request, connection: number, incoming: Message, names: Set<string>): void {
  const kind = incoming.bytes.subarray(HEADER_BYTES, HEADER_BYTES + 1);
  const { text } = readCString(incoming.bytes, HEADER_BYTES + 1);
  if (kind[0] !== STATEMENT) request.acts = true;
  if (kind[0] !== STATEMENT || text === '') {
    if (kind[0] === STATEMENT && incoming.type === Frontend.describe) usesUnnamed(request);
    push(request, incoming.bytes);
    return;
  }
  const own = privateName(connection, text);
  if (incoming.type === Frontend.close) names.delete(own);
  push(request, message(incoming.type, kind, cstring(own)));
}

function usesUnnamed(request: Request): void {
  if (request.unnamed === undefined) request.needsUnnamed = true;
}
