import type { HttpRequest, HttpResponse } from '../../src/wire/http.js';

/** A request as a transport hands it on. */
export function request(
  method: string,
  url: string,
  headers: Readonly<Record<string, string>> = {},
  body: string | Uint8Array = '',
): HttpRequest {
  const { pathname, searchParams } = new URL(url, 'http://localhost');
  return {
    method,
    path: pathname,
    query: searchParams,
    header: (name) => headers[name],
    body: typeof body === 'string' ? Buffer.from(body) : body,
    remoteAddress: '127.0.0.1',
  };
}

/** The body of a JSON or problem response. */
export function bodyOf(response: HttpResponse) {
  return JSON.parse(String(response.body));
}
