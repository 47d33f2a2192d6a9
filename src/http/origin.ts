import { type HttpRequest, type HttpResponse, problem } from '../wire/http.js';
import { isOriginAllowed } from '../wire/origin.js';

/** Whether a request does not come from a page of a site that may not send it. */
export function isAllowedOrigin(request: HttpRequest, allowed: readonly string[]): boolean {
  return isOriginAllowed(request.header('origin'), request.header('host'), new Set(allowed));
}

export function forbiddenOrigin(): HttpResponse {
  return problem(403, 'Forbidden', 'Web pages of other sites may not do this; the operator can allow them.', {
    code: 'origin_not_allowed',
  });
}
