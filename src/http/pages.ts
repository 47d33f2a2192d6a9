import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename, extname, join, relative, sep } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { HttpRequest, HttpResponse } from '../wire/http.js';
import type { Route } from './router.js';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.map': 'application/json; charset=utf-8',
  '.ico': 'image/x-icon',
  '.png': 'image/png',
};
const COMPRESSIBLE: ReadonlySet<string> = new Set(['.html', '.js', '.css', '.svg']);
/** Below this many bytes a compressed body saves no packet. */
const MIN_COMPRESSED_BYTES = 1024;

/** The default quality, 11, would hold up the start for a tenth less. */
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } };

/** The one style element on the page: lightweight-charts adds it for its attribution, with this text. */
const ATTRIBUTION_STYLE = "'sha256-3pRED1tOXas1FXFoPb9TGCjmYe9XQsmO9OV23khV2nY='";

const HEADERS: Readonly<Record<string, string>> = {
  // Revalidated on every load (a 304 mostly), so that a page never runs with the script of an older server.
  'cache-control': 'no-cache',
  vary: 'accept-encoding',
  'x-content-type-options': 'nosniff',
};

/** Pages of other sites may show it in a frame: it has no account, and nothing that a click could do. */
const EMBED = 'embed.html';
/** Loaded by pages of other sites, also by those that ask for CORS (`crossorigin`) or isolate themselves. */
const EMBED_SCRIPT = 'embed.js';
const ANY_PAGE = { 'access-control-allow-origin': '*', 'cross-origin-resource-policy': 'cross-origin' };

const PAGE_HEADERS = pageHeaders("'none'");
const EMBED_HEADERS = { ...pageHeaders('*'), 'cross-origin-resource-policy': 'cross-origin' };

function pageHeaders(frameAncestors: string): Readonly<Record<string, string>> {
  return {
    'content-security-policy': [
      "default-src 'none'",
      "script-src 'self'",
      `style-src 'self' ${ATTRIBUTION_STYLE}`,
      "img-src 'self' data:",
      "connect-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      `frame-ancestors ${frameAncestors}`,
    ].join('; '),
    'referrer-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
  };
}

type ContentEncoding = 'br' | 'gzip' | 'identity';

interface Variant {
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

interface Asset {
  readonly identity: Variant;
  readonly br?: Variant;
  readonly gzip?: Variant;
}

/**
 * Reads every file below `directory` into memory, compresses it once and makes a route of it (`index.html` answers its
 * folder's path, other pages answer without `.html`). Rejects where the directory cannot be read: the pages are not built.
 */
export async function pageRoutes(directory: string): Promise<Route[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return await Promise.all(files.filter((file) => extname(file) in TYPES).map((file) => routeOf(directory, file)));
}

async function routeOf(directory: string, file: string): Promise<Route> {
  const asset = await load(file);
  return { method: 'GET', path: pathOf(directory, file), handle: (request) => answer(asset, request) };
}

function pathOf(directory: string, file: string): string {
  const path = `/${relative(directory, file).split(sep).join('/')}`;
  if (path.endsWith('/index.html')) return path.slice(0, -'index.html'.length);
  return path.replace(/\.html$/, '');
}

async function load(file: string): Promise<Asset> {
  const body = await readFile(file);
  const extension = extname(file);
  const hash = createHash('sha256').update(body).digest('base64url').slice(0, 27);
  const as = (encoding: ContentEncoding, bytes: Uint8Array) => variant(basename(file), encoding, bytes, hash);
  const identity = as('identity', body);
  if (!COMPRESSIBLE.has(extension) || body.length < MIN_COMPRESSED_BYTES) return { identity };
  const [br, gz] = await Promise.all([promisify(brotliCompress)(body, BROTLI), promisify(gzip)(body)]);
  return { identity, br: as('br', br), gzip: as('gzip', gz) };
}

/** Each encoding is a representation of its own: a strong ETag must tell them apart. */
function variant(name: string, encoding: ContentEncoding, body: Uint8Array, hash: string): Variant {
  const headers: Record<string, string> = {
    ...HEADERS,
    'content-type': TYPES[extname(name)] ?? 'application/octet-stream',
    ...ofFile(name),
  };
  headers.etag = `"${hash}-${encoding}"`;
  if (encoding !== 'identity') headers['content-encoding'] = encoding;
  return { body, headers };
}

function ofFile(name: string): Readonly<Record<string, string>> {
  if (name === EMBED) return EMBED_HEADERS;
  if (name === EMBED_SCRIPT) return ANY_PAGE;
  return extname(name) === '.html' ? PAGE_HEADERS : {};
}

function answer(asset: Asset, request: HttpRequest): HttpResponse {
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
