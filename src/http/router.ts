import { type HttpHandler, type HttpRequest, type HttpResponse, problem } from '../wire/http.js';

/** One resource. GET routes answer HEAD too. */
export interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly handle: HttpHandler;
}

const PUBLIC_PREFIX = '/v1/';
const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;
const PREFLIGHT_SECONDS = '86400';

/** Dispatches by path and method. What may be read under /v1/ may be read from any web page; nothing may be written from one. */
export function createRouter(routes: readonly Route[]): HttpHandler {
  const table = new Map<string, Map<string, HttpHandler>>();
  for (const { method, path, handle } of routes) {
    const methods = table.get(path) ?? new Map<string, HttpHandler>();
    if (methods.has(method)) throw new Error(`two routes for ${method} ${path}`);
    table.set(path, methods.set(method, handle));
  }
  return async (request) => decorate(request, await dispatch(table, request));
}

async function dispatch(table: ReadonlyMap<string, ReadonlyMap<string, HttpHandler>>, request: HttpRequest) {
  const methods = table.get(request.path);
  if (methods === undefined)
    return problem(404, 'Not found', 'There is nothing at this path; the API is under /v1, the chart at /.');
  const handle = methods.get(request.method === 'HEAD' ? 'GET' : request.method);
  if (handle !== undefined) return headOnly(request, await handle(request));
  if (request.method === 'OPTIONS') return options(request, methods);
  const allow = allowed(methods);
  const detail = `${request.path} answers ${allow}.`;
  return problem(405, 'Method not allowed', detail, {}, { allow });
}

function allowed(methods: ReadonlyMap<string, HttpHandler>): string {
  const names = [...methods.keys()];
  return [...names, ...(methods.has('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ');
}

function options(request: HttpRequest, methods: ReadonlyMap<string, HttpHandler>): HttpResponse {
  const headers: Record<string, string> = { allow: allowed(methods) };
  if (request.path.startsWith(PUBLIC_PREFIX) && methods.has('GET')) {
    headers['access-control-allow-methods'] = 'GET, HEAD';
    headers['access-control-allow-headers'] = 'x-request-id';
    headers['access-control-max-age'] = PREFLIGHT_SECONDS;
  }
  return { status: 204, headers, body: '' };
}

function headOnly(request: HttpRequest, response: HttpResponse): HttpResponse {
  return request.method === 'HEAD' ? { ...response, body: '' } : response;
}

function decorate(request: HttpRequest, response: HttpResponse): HttpResponse {
  const headers: Record<string, string> = { ...response.headers };
  if (request.path.startsWith(PUBLIC_PREFIX) && request.method !== 'POST') headers['access-control-allow-origin'] = '*';
  const id = request.header('x-request-id');
  if (id !== undefined && REQUEST_ID.test(id)) headers['x-request-id'] = id;
  return { ...response, headers };
}
