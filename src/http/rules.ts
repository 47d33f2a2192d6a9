import { z } from 'zod';
import type { Log } from '../kit/log.js';
import { type HttpRequest, type HttpResponse, json, problem } from '../wire/http.js';
import type { Identity } from '../wire/identity.js';
import { stackOf } from './bearer.js';
import { bad, readBody } from './json-body.js';
import { afterId, integer, optional, readQuery } from './parameters.js';
import { QueryError } from './query.js';
import type { Route } from './router.js';
import { type Access, type UserRouteOptions, type UserWork, userRoute } from './user-route.js';

/** The rules of whoever asks. Throws errors named RuleError, with `code` and `details`; anything else means: not now. */
export interface RuleSource {
  list(identity: Identity, after: string | null, limit: number): Promise<readonly { readonly id: string }[]>;
  get(identity: Identity, id: string): Promise<object>;
  create(identity: Identity, value: unknown): Promise<object>;
  update(identity: Identity, id: string, value: unknown): Promise<object>;
  remove(identity: Identity, id: string): Promise<void>;
}

const PATH = '/v1/rules';
const ONE = `${PATH}/{id}`;
const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 500;
const RETRY_AFTER_SECONDS = '2';
const uuid = z.uuid();
export const RULE_PARAMETERS = {
  after: optional(afterId),
  limit: integer('Rules a page.', 1, MAX_LIMIT, DEFAULT_LIMIT),
} as const;

const ANSWERS: Readonly<Record<string, readonly [number, string]>> = {
  bad_rule: [400, 'Bad request'],
  unknown_symbol: [400, 'Bad request'],
  interval_not_in_plan: [403, 'Forbidden'],
  symbol_not_in_plan: [403, 'Forbidden'],
  rule_limit: [403, 'Forbidden'],
  not_found: [404, 'Not found'],
};

const ACCESS: Access = {
  roles: null,
  scope: 'rules',
  thing: 'rule',
  isId: (id) => uuid.safeParse(id).success,
  failed: refused,
};

/**
 * GET /v1/rules[?after&limit] → {rules, next}, POST /v1/rules, GET, PATCH and DELETE /v1/rules/{id}. API keys need the scope
 * `rules`. Refusals are problems with a `code`, and where a plan limits something with `limit` and `plan`.
 */
export function ruleRoutes(source: RuleSource, options: UserRouteOptions): Route[] {
  const route = (method: Route['method'], path: string, work: UserWork): Route => ({
    method,
    path,
    handle: userRoute(options, ACCESS, work),
  });
  return [
    route('GET', PATH, (identity, request) => list(source, identity, request)),
    route('POST', PATH, (identity, request) =>
      withBody(request, async (value) => json(201, await source.create(identity, value))),
    ),
    route('GET', ONE, async (identity, _, id) => json(200, await source.get(identity, id))),
    route('PATCH', ONE, (identity, request, id) =>
      withBody(request, async (value) => json(200, await source.update(identity, id, value))),
    ),
    route('DELETE', ONE, async (identity, _, id) => {
      await source.remove(identity, id);
      return { status: 204, headers: {}, body: '' };
    }),
  ];
}

/** `next`, given as `after`, continues; null = there is no more. */
async function list(source: RuleSource, identity: Identity, request: HttpRequest): Promise<HttpResponse> {
  const { after, limit } = readQuery(request.query, RULE_PARAMETERS);
  const found = await source.list(identity, after, limit + 1);
  const rules = found.slice(0, limit);
  return json(200, { rules, next: found.length > limit ? (rules.at(-1)?.id ?? null) : null });
}

async function withBody(request: HttpRequest, work: (value: unknown) => Promise<HttpResponse>): Promise<HttpResponse> {
  const read = readBody(request, z.unknown());
  return 'refusal' in read ? read.refusal : work(read.body);
}

function refused(error: unknown, log: Log): HttpResponse {
  if (error instanceof QueryError) return bad(error.message);
  if (error instanceof Error && error.name === 'RuleError' && 'code' in error && 'details' in error) {
    const code = String(error.code);
    const [status, title] = ANSWERS[code] ?? [400, 'Bad request'];
    return problem(status, title, error.message, { code, ...(error.details as object) });
  }
  log.error({ error: stackOf(error) }, 'a request about rules failed');
  const headers = { 'retry-after': RETRY_AFTER_SECONDS };
  return problem(
    503,
    'Unavailable',
    'Rules cannot be read now; try again later.',
    { code: 'rules_unavailable' },
    headers,
  );
}
