import type { Log } from '../kit/log.js';
import type { HttpRequest, HttpResponse } from '../wire/http.js';
import type { Identity, Scope, UserRole } from '../wire/identity.js';
import { type AuthSource, refuse, whoSends } from './bearer.js';
import { bad } from './json-body.js';
import { forbiddenOrigin, isAllowedOrigin } from './origin.js';
import type { RouteHandler } from './router.js';

export interface UserRouteOptions {
  readonly auth: AuthSource;
  /** Origins of pages that may send, besides our own. */
  readonly allowedOrigins: readonly string[];
  readonly log: Log;
}

/** Who may ask, and how the resource answers. */
export interface Access {
  /** null: every user. */
  readonly roles: readonly UserRole[] | null;
  /** What an API key needs; null: none may. */
  readonly scope: Scope | null;
  /** What `{id}` in the path is the id of. */
  readonly thing: string;
  isId(text: string): boolean;
  /** The answer to what `work` rejected with. */
  failed(error: unknown, log: Log): HttpResponse;
}

/** `id`: what stood in the path, in lower case; empty without. */
export type UserWork = (identity: Identity, request: HttpRequest, id: string) => Promise<HttpResponse>;

/** A resource of whoever sends a token. Answers are stored nowhere on the way. */
export function userRoute(
  { auth, allowedOrigins, log }: UserRouteOptions,
  access: Access,
  work: UserWork,
): RouteHandler {
  const answer = async (request: HttpRequest, id: string): Promise<HttpResponse> => {
    const sender = await whoSends(auth, request, log);
    if ('refusal' in sender) return sender.refusal;
    const refusal = refuse(sender.identity, access.roles, access.scope);
    if (refusal !== null) return refusal;
    if (id !== '' && !access.isId(id)) return bad(`The id of a ${access.thing} is a UUID.`);
    return work(sender.identity, request, id.toLowerCase()).catch((error: unknown) => access.failed(error, log));
  };
  return async (request, { id = '' }) => {
    if (!isAllowedOrigin(request, allowedOrigins)) return forbiddenOrigin();
    const response = await answer(request, id);
    return { ...response, headers: { 'cache-control': 'no-store', ...response.headers } };
  };
}
