import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { HttpRequest, HttpResponse } from '../wire/http.js';

type Headers = Readonly<Record<string, string>>;
type ContentEncoding = 'br' | 'gzip' | 'identity';

/** Below this many bytes a compressed body saves no packet. */
const MIN_COMPRESSED_BYTES = 1024;
/** The default quality, 11, would hold up the start for a tenth less. */
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } };

const HEADERS: Headers = {
  // Revalidated on every load (a 304 mostly), so that a page never runs with the script of an older server.
  'cache-control': 'no-cache',
  vary: 'accept-encoding',
  'x-content-type-options': 'nosniff',
};

interface Variant {
  readonly body: Uint8Array;
  readonly headers: Headers;
}

/** What does not change while the server runs, in each of its encodings. */
export interface Asset {
  readonly identity: Variant;
  readonly br?: Variant;
  readonly gzip?: Variant;
}

/** Compresses it once. `headers` has its content-type. */
export async function toAsset(body: Uint8Array, headers: Headers, compressible: boolean): Promise<Asset> {
  const hash = createHash('sha256').update(body).digest('base64url').slice(0, 27);
  const as = (encoding: ContentEncoding, bytes: Uint8Array) => variant(encoding, bytes, hash, headers);
  const identity = as('identity', body);
  if (!compressible || body.length < MIN_COMPRESSED_BYTES) return { identity };
  const [br, gz] = await Promise.all([promisify(brotliCompress)(body, BROTLI), promisify(gzip)(body)]);
  return { identity, br: as('br', br), gzip: as('gzip', gz) };
}

/** Each encoding is a representation of its own: a strong ETag must tell them apart. */
function variant(encoding: ContentEncoding, body: Uint8Array, hash: string, headers: Headers): Variant {
  const own = encoding === 'identity' ? {} : { 'content-encoding': encoding };
  return { body, headers: { ...HEADERS, ...headers, etag: `"${hash}-${encoding}"`, ...own } };
}

/** In the encoding that is asked for, or 304 where the caller has it. */
export function answerAsset(asset: Asset, request: HttpRequest): HttpResponse {
  const chosen = choose(asset, request.header('accept-encoding') ?? '');
  if (matches(request.header('if-none-match'), chosen)) return { status: 304, headers: notModified(chosen), body: '' };
  return { status: 200, headers: chosen.headers, body: chosen.body };
}

function choose(asset: Asset, accepted: string): Variant {
  const encoding = (['br', 'gzip'] as const).find((name) => accepts(accepted, name));
  return (encoding === undefined ? undefined : asset[encoding]) ?? asset.identity;
}

/** Whether `Accept-Encoding` names the encoding with a weight above zero. */
function accepts(accepted: string, encoding: string): boolean {
  return accepted.split(',').some((item) => {
    const [name = '', weight = ''] = item.split(';');
    return name.trim() === encoding && !/^\s*q=0(\.0*)?\s*$/.test(weight);
  });
}

function matches(ifNoneMatch: string | undefined, chosen: Variant): boolean {
  const asked = (ifNoneMatch ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return asked.includes('*') || asked.includes(chosen.headers.etag ?? '');
}

function notModified(held: Variant): Record<string, string> {
  const { 'content-type': _type, 'content-encoding': _encoding, ...rest } = held.headers;
  return rest;
}
