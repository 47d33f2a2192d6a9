import { type HttpRequest, type HttpResponse, problem } from '../wire/http.js';

/**
 * Whether a request does not come from a page of a site that may not send it: programs name no site, browsers name the page's.
 * @param allowed origins such as `https://app.example.com`, besides our own host
 */
export function isAllowedOrigin(request: HttpRequest, allowed: readonly string[]): boolean {
  const origin = request.header('origin');
  if (origin === undefined || allowed.includes(origin)) return true;
  return URL.canParse(origin) && new URL(origin).host === request.header('host')?.toLowerCase();
}

export function forbiddenOrigin(): HttpResponse {
  return problem(403, 'Forbidden', 'Web pages of other sites may not do this; the operator can allow them.', {
    code: 'origin_not_allowed',
  });
}
