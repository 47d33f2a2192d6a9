import type { Log } from '../kit/log.js';
import { type HttpResponse, problem } from '../wire/http.js';
import { stackOf, unavailable } from './bearer.js';

/** Status and title by the code of an error named AccountError. */
const ANSWERS: Readonly<Record<string, readonly [number, string]>> = {
  invalid_credentials: [401, 'Unauthorized'],
  invalid_token: [401, 'Unauthorized'],
  token_expired: [401, 'Unauthorized'],
  revoked: [401, 'Unauthorized'],
  refresh_superseded: [409, 'Conflict'],
  too_many_attempts: [429, 'Too many attempts'],
  busy: [503, 'Busy'],
  registration_closed: [403, 'Forbidden'],
  bad_email: [400, 'Bad request'],
  weak_password: [400, 'Bad request'],
  not_found: [404, 'Not found'],
  unknown_plan: [400, 'Bad request'],
  bad_dates: [400, 'Bad request'],
  scope_not_allowed: [403, 'Forbidden'],
  too_many_keys: [409, 'Conflict'],
  own_account: [409, 'Conflict'],
};

/** Answers what `work` answers, or says why it could not be done; whatever it was, the log gets no part of the request. */
export async function answering(log: Log, work: () => Promise<HttpResponse>): Promise<HttpResponse> {
  const response = await work().catch((error: unknown) => accountRefusal(error, log));
  return { ...response, headers: { 'cache-control': 'no-store', ...response.headers } };
}

/** The answer to an error named AccountError; anything else means: not now. */
export function accountRefusal(error: unknown, log: Log): HttpResponse {
  if (!(error instanceof Error && error.name === 'AccountError' && 'code' in error)) {
    log.error({ error: stackOf(error) }, 'a request about accounts failed');
    return unavailable();
  }
  const code = String(error.code);
  const [status, title] = ANSWERS[code] ?? [400, 'Bad request'];
  const wait = 'retryAfterMs' in error && typeof error.retryAfterMs === 'number' ? error.retryAfterMs : null;
  const headers: Record<string, string> = wait === null ? {} : { 'retry-after': String(Math.ceil(wait / 1000)) };
  if (status === 401) headers['www-authenticate'] = 'Bearer';
  return problem(status, title, sentence(error.message), { code }, headers);
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
