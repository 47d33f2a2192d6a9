import type { Log } from '../kit/log.js';
import { type HttpRequest, type HttpResponse, problem } from '../wire/http.js';
import type { AuthFailure, AuthResult, Identity, Scope, UserRole } from '../wire/identity.js';

export interface AuthSource {
  /** Rejects when it cannot tell now. */
  authenticate(token: string): Promise<AuthResult>;
}

const BEARER = /^Bearer +([A-Za-z0-9_.~+/=-]+)$/i;
const RETRY_AFTER_SECONDS = '2';

const FAILURES: Readonly<Record<AuthFailure, string>> = {
  invalid_token: 'The token is not one of this server.',
  token_expired: 'The access token has expired: refresh it.',
  revoked: 'The session or the key has been ended: log in again.',
};

/** Who sends a request, by its header `Authorization: Bearer …`; or the answer that refuses it. */
export async function whoSends(
  source: AuthSource,
  request: HttpRequest,
  log: Log,
): Promise<{ identity: Identity } | { refusal: HttpResponse }> {
  const header = request.header('authorization');
  if (header === undefined)
    return { refusal: unauthorized('auth_required', 'Send an access token: "Authorization: Bearer …".', 'Bearer') };
  const [, token = ''] = BEARER.exec(header) ?? [];
  try {
    const result = await source.authenticate(token);
    if (!('failure' in result)) return { identity: result };
    return { refusal: unauthorized(result.failure, FAILURES[result.failure], 'Bearer error="invalid_token"') };
  } catch (error) {
    log.error({ error: stackOf(error) }, 'a token could not be checked');
    return { refusal: unavailable() };
  }
}

/** null: the identity may do it. `scope` null: no API key may. */
export function refuse(
  identity: Identity,
  roles: readonly UserRole[] | null,
  scope: Scope | null,
): HttpResponse | null {
  if (roles !== null && !roles.includes(identity.role))
    return forbidden(`This needs the role ${roles.join(' or ')}; yours is ${identity.role}.`);
  if (identity.scopes === null) return null;
  if (scope === null) return forbidden('No API key may do this: send an access token.');
  return identity.scopes.includes(scope) ? null : forbidden(`The API key lacks the scope ${scope}.`);
}

export function unavailable(): HttpResponse {
  const headers = { 'retry-after': RETRY_AFTER_SECONDS };
  const detail = 'Accounts cannot be read now; try again later.';
  return problem(503, 'Unavailable', detail, { code: 'accounts_unavailable' }, headers);
}

/** Without the other members of an error: databases put values of rows into them. */
export function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function unauthorized(code: string, detail: string, challenge: string): HttpResponse {
  return problem(401, 'Unauthorized', detail, { code }, { 'www-authenticate': challenge });
}

function forbidden(detail: string): HttpResponse {
  return problem(403, 'Forbidden', detail, { code: 'forbidden' });
}
