import { type HttpHandler, type HttpRequest, type HttpResponse, problem } from '../wire/http.js';
import { Cors } from './cors.js';

/** One resource. GET routes answer HEAD too. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** `/v1/things/{id}`: a part in braces matches any one part that is not empty. A path without wins over one with them. */
  readonly path: string;
  readonly handle: RouteHandler;
}

/** `parameters`: what stood in the places in braces, decoded, by their names. */
export type RouteHandler = (
  request: HttpRequest,
  parameters: Readonly<Record<string, string>>,
) => HttpResponse | Promise<HttpResponse>;

type Methods = ReadonlyMap<string, RouteHandler>;

interface Match {
  readonly methods: Methods;
  readonly parameters: Readonly<Record<string, string>>;
}

/**
 * Dispatches by path and method. What may be read under /v1/ may be read from any web page; pages of `allowedOrigins` may do all
 * that the routes allow.
 */
export function createRouter(routes: readonly Route[], allowedOrigins: readonly string[] = []): HttpHandler {
  const table = new Map<string, Map<string, RouteHandler>>();
  for (const { method, path, handle } of routes) {
    const methods = table.get(path) ?? new Map<string, RouteHandler>();
    if (methods.has(method)) throw new Error(`two routes for ${method} ${path}`);
    table.set(path, methods.set(method, handle));
  }
  const find = finder(table);
  const cors = new Cors(allowedOrigins);
  return async (request) => decorate(request, await dispatch(find(request.path), request, cors), cors);
}

function finder(table: ReadonlyMap<string, Methods>): (path: string) => Match | null {
  const patterns = [...table]
    .filter(([path]) => path.includes('{'))
    .map(([path, methods]) => ({ parts: path.split('/'), methods }));
  return (path) => {
    const methods = path.includes('{') ? undefined : table.get(path);
    if (methods !== undefined) return { methods, parameters: {} };
    const parts = path.split('/');
    for (const pattern of patterns) {
      const parameters = matchParts(pattern.parts, parts);
      if (parameters !== null) return { methods: pattern.methods, parameters };
    }
    return null;
  };
}

/** null: they do not match, or one of them is not well encoded. */
function matchParts(pattern: readonly string[], parts: readonly string[]): Record<string, string> | null {
  if (pattern.length !== parts.length) return null;
  const parameters: Record<string, string> = {};
  for (const [i, part] of parts.entries()) {
    const expected = pattern[i] ?? '';
    if (!expected.startsWith('{')) {
      if (part !== expected) return null;
      continue;
    }
    const value = decode(part);
    if (value === null) return null;
    parameters[expected.slice(1, -1)] = value;
  }
  return parameters;
}

function decode(part: string): string | null {
  if (part === '') return null;
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}

async function dispatch(match: Match | null, request: HttpRequest, cors: Cors): Promise<HttpResponse> {
  if (match === null)
    return problem(404, 'Not found', 'There is nothing at this path; the API is under /v1, the chart at /.');
  const { methods, parameters } = match;
  const handle = methods.get(request.method === 'HEAD' ? 'GET' : request.method);
  if (handle !== undefined) return headOnly(request, await handle(request, parameters));
  if (request.method === 'OPTIONS')
    return {
      status: 204,
      headers: { allow: allowed(methods), ...cors.preflight(request, [...methods.keys()]) },
      body: '',
    };
  const allow = allowed(methods);
  const detail = `${request.path} answers ${allow}.`;
  return problem(405, 'Method not allowed', detail, {}, { allow });
}

function allowed(methods: Methods): string {
  const names = [...methods.keys()];
  return [...names, ...(methods.has('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ');
}

function headOnly(request: HttpRequest, response: HttpResponse): HttpResponse {
  return request.method === 'HEAD' ? { ...response, body: '' } : response;
}

function decorate(request: HttpRequest, response: HttpResponse, cors: Cors): HttpResponse {
  return { ...response, headers: { ...response.headers, ...cors.answer(request) } };
}
