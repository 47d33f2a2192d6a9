import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, gzip } from 'node:zlib';
import type { HttpRequest, HttpResponse } from '../wire/http.js';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.map': 'application/json; charset=utf-8',
  '.ico': 'image/x-icon',
  '.png': 'image/png',
};
const COMPRESSIBLE: ReadonlySet<string> = new Set(['.html', '.js', '.css', '.svg', '.map']);
/** Below this many bytes a compressed body saves no packet. */
const MIN_COMPRESSED_BYTES = 1024;

/** The one style element on the page: lightweight-charts adds it for its attribution, with this text. */
const ATTRIBUTION_STYLE = "'sha256-3pRED1tOXas1FXFoPb9TGCjmYe9XQsmO9OV23khV2nY='";

const HEADERS: Readonly<Record<string, string>> = {
  // Revalidated on every load (a 304 mostly), so that a page never runs with the script of an older server.
  'cache-control': 'no-cache',
  vary: 'accept-encoding',
  'x-content-type-options': 'nosniff',
};

const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' ${ATTRIBUTION_STYLE}`,
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
};

type ContentEncoding = 'br' | 'gzip' | 'identity';

interface Variant {
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

type Asset = ReadonlyMap<ContentEncoding, Variant>;

/** The built pages, from memory. */
export interface Pages {
  /** URL paths there are. */
  readonly paths: readonly string[];
  /** @returns null where no page has this path; 405 for methods other than GET and HEAD. */
  handle(request: HttpRequest): HttpResponse | null;
}

/**
 * Reads every file below `directory` (`index.html` answers its folder's path) and compresses it once.
 * Rejects where the directory cannot be read: the pages are not built.
 */
export async function loadPages(directory: string): Promise<Pages> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const known = files.filter((file) => extname(file) in TYPES);
  const assets = new Map(
    await Promise.all(known.map(async (file) => [pathOf(directory, file), await load(file)] as const)),
  );
  return { paths: [...assets.keys()], handle: (request) => handle(assets, request) };
}

function pathOf(directory: string, file: string): string {
  const path = `/${relative(directory, file).split(sep).join('/')}`;
  return path.endsWith('/index.html') ? path.slice(0, -'index.html'.length) : path;
}

async function load(file: string): Promise<Asset> {
  const body = await readFile(file);
  const extension = extname(file);
  const variants: [ContentEncoding, Uint8Array][] = [['identity', body]];
  if (COMPRESSIBLE.has(extension) && body.length >= MIN_COMPRESSED_BYTES) {
    variants.push(['br', await promisify(brotliCompress)(body)], ['gzip', await promisify(gzip)(body)]);
  }
  const hash = createHash('sha256').update(body).digest('base64url').slice(0, 27);
  return new Map(variants.map(([encoding, bytes]) => [encoding, variant(extension, encoding, bytes, hash)]));
}

/** Each encoding is a representation of its own: a strong ETag must tell them apart. */
function variant(extension: string, encoding: ContentEncoding, body: Uint8Array, hash: string): Variant {
  const headers: Record<string, string> = {
    ...HEADERS,
    'content-type': TYPES[extension] ?? 'application/octet-stream',
  };
  headers.etag = `"${hash}-${encoding}"`;
  if (encoding !== 'identity') headers['content-encoding'] = encoding;
  return { body, headers: extension === '.html' ? { ...headers, ...PAGE_HEADERS } : headers };
}

function handle(assets: ReadonlyMap<string, Asset>, request: HttpRequest): HttpResponse | null {
  const asset = assets.get(request.path);
  if (asset === undefined) return null;
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return { status: 405, headers: { allow: 'GET, HEAD' }, body: '' };
  }
  const chosen = choose(asset, request.header('accept-encoding') ?? '');
  if (chosen === undefined) return null;
  if (matches(request.header('if-none-match'), asset)) return { status: 304, headers: notModified(chosen), body: '' };
  return { status: 200, headers: chosen.headers, body: chosen.body };
}

function choose(asset: Asset, accepted: string): Variant | undefined {
  const encoding = (['br', 'gzip'] as const).find((name) => asset.has(name) && accepts(accepted, name));
  return asset.get(encoding ?? 'identity');
}

/** Whether `Accept-Encoding` names the encoding with a weight above zero. */
function accepts(accepted: string, encoding: string): boolean {
  return accepted.split(',').some((item) => {
    const [name = '', weight = ''] = item.split(';');
    return name.trim() === encoding && !/^\s*q=0(\.0*)?\s*$/.test(weight);
  });
}

function matches(ifNoneMatch: string | undefined, asset: Asset): boolean {
  if (ifNoneMatch === undefined) return false;
  const asked = new Set(ifNoneMatch.split(',').map((tag) => tag.trim().replace(/^W\//, '')));
  return asked.has('*') || [...asset.values()].some((held) => asked.has(held.headers.etag ?? ''));
}

function notModified(held: Variant): Record<string, string> {
  const { 'content-type': _type, 'content-encoding': _encoding, ...rest } = held.headers;
  return rest;
}
