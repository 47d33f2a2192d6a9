import { readdir, readFile } from 'node:fs/promises';
import { basename, extname, join, relative, sep } from 'node:path';
import { answerAsset, toAsset } from './asset.js';
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

/** The one style element on the page: lightweight-charts adds it for its attribution, with this text. */
const ATTRIBUTION_STYLE = "'sha256-3pRED1tOXas1FXFoPb9TGCjmYe9XQsmO9OV23khV2nY='";

/**
 * Pages of other sites may show it in a frame: it has no account, and nothing that a click could do. One that has isolated itself
 * shows only frames that ask for the same. @see https://html.spec.whatwg.org/multipage/browsers.html#check-a-navigation-response's-adherence-to-its-embedder-policy
 */
const EMBED = 'embed.html';
/** Loaded by pages of other sites, also by those that ask for CORS (`crossorigin`) or isolate themselves. */
const EMBED_SCRIPT = 'embed.js';
const ANY_PAGE = { 'access-control-allow-origin': '*', 'cross-origin-resource-policy': 'cross-origin' };

const PAGE_HEADERS = pageHeaders("'none'");
const EMBED_HEADERS = {
  ...pageHeaders('*'),
  'cross-origin-resource-policy': 'cross-origin',
  'cross-origin-embedder-policy': 'require-corp',
};

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
  const extension = extname(file);
  const headers = { 'content-type': TYPES[extension] ?? 'application/octet-stream', ...ofFile(basename(file)) };
  const asset = await toAsset(await readFile(file), headers, COMPRESSIBLE.has(extension));
  return { method: 'GET', path: pathOf(directory, file), handle: (request) => answerAsset(asset, request) };
}

function pathOf(directory: string, file: string): string {
  const path = `/${relative(directory, file).split(sep).join('/')}`;
  if (path.endsWith('/index.html')) return path.slice(0, -'index.html'.length);
  return path.replace(/\.html$/, '');
}

function ofFile(name: string): Readonly<Record<string, string>> {
  if (name === EMBED) return EMBED_HEADERS;
  if (name === EMBED_SCRIPT) return ANY_PAGE;
  return extname(name) === '.html' ? PAGE_HEADERS : {};
}
