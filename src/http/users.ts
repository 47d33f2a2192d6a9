import { z } from 'zod';
import type { Log } from '../kit/log.js';
import { type HttpRequest, type HttpResponse, json } from '../wire/http.js';
import type { Entitlements, Identity, UserRole } from '../wire/identity.js';
import { accountRefusal } from './account-error.js';
import { bad, readBody } from './json-body.js';
import { afterId, integer, optional, readQuery, text } from './parameters.js';
import { QueryError } from './query.js';
import type { Route } from './router.js';
import { type Access, type UserRouteOptions, type UserWork, userRoute } from './user-route.js';

interface User {
  readonly id: string;
  readonly email: string;
  readonly role: UserRole;
  /** Epoch ms. */
  readonly createdAt: number;
}

interface Subscription {
  readonly id: string;
  readonly plan: string;
  /** `YYYY-MM-DD` in UTC; the end is the last day, null = none. */
  readonly startDate: string;
  readonly endDate: string | null;
  readonly status: string;
}

/** `actor` is the administrator who does it. */
export interface UserAdministration {
  list(after: string | null, limit: number, search: string | null): Promise<readonly User[]>;
  get(id: string): Promise<User & { entitlements: Entitlements; subscriptions: readonly Subscription[] }>;
  setRole(actor: Identity, id: string, role: UserRole): Promise<void>;
  setSubscription(
    actor: Identity,
    id: string,
    subscription: { plan: string; startDate?: string | undefined; endDate?: string | null | undefined },
  ): Promise<Subscription>;
  cancelSubscription(actor: Identity, id: string): Promise<void>;
  delete(actor: Identity, id: string): Promise<void>;
}

const PATH = '/v1/auth/users';
const ONE = `${PATH}/{id}`;
const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 500;
const uuid = z.uuid();
export const USER_PARAMETERS = {
  after: optional(afterId),
  limit: integer('Users a page.', 1, MAX_LIMIT, DEFAULT_LIMIT),
  email: optional(text('Only users whose email has this in it.')),
} as const;
export const ROLE = z.strictObject({
  role: z.enum(['user', 'publisher', 'admin'], 'must be user, publisher or admin'),
});
const A_DAY = 'must be a day, such as 2026-01-31';
/** There is no year 0. */
const day = z.iso.date(A_DAY).refine((text) => text >= '0001', A_DAY);
export const SUBSCRIPTION = z.strictObject({
  plan: z.string('must be a text').min(1, 'is missing').max(100, 'is too long'),
  startDate: day.optional(),
  endDate: day.nullable().optional(),
});

const ACCESS: Access = {
  roles: ['admin'],
  scope: null,
  thing: 'user',
  isId: (id) => uuid.safeParse(id).success,
  failed: refused,
};

/**
 * For administrators: GET /v1/auth/users[?after&limit&email], GET and DELETE /v1/auth/users/{id}, PUT …/role {role},
 * PUT …/subscription {plan, startDate?, endDate?} and DELETE …/subscription. No API key may.
 */
export function userRoutes(source: UserAdministration, options: UserRouteOptions): Route[] {
  const route = (method: Route['method'], path: string, work: UserWork): Route => ({
    method,
    path,
    handle: userRoute(options, ACCESS, work),
  });
  return [
    route('GET', PATH, (_, request) => list(source, request)),
    route('GET', ONE, async (_, __, id) => json(200, await source.get(id))),
    route('DELETE', ONE, async (actor, _, id) => done(source.delete(actor, id))),
    route('PUT', `${ONE}/role`, (actor, request, id) => setRole(source, actor, request, id)),
    route('PUT', `${ONE}/subscription`, (actor, request, id) => subscribe(source, actor, request, id)),
    route('DELETE', `${ONE}/subscription`, async (actor, _, id) => done(source.cancelSubscription(actor, id))),
  ];
}

/** `next`, given as `after`, continues; null = there is no more. */
async function list(source: UserAdministration, request: HttpRequest): Promise<HttpResponse> {
  const { after, limit, email } = readQuery(request.query, USER_PARAMETERS);
  const found = await source.list(after, limit + 1, email);
  const users = found.slice(0, limit);
  return json(200, { users, next: found.length > limit ? (users.at(-1)?.id ?? null) : null });
}

async function setRole(source: UserAdministration, actor: Identity, request: HttpRequest, id: string) {
  const read = readBody(request, ROLE);
  return 'refusal' in read ? read.refusal : done(source.setRole(actor, id, read.body.role));
}

async function subscribe(source: UserAdministration, actor: Identity, request: HttpRequest, id: string) {
  const read = readBody(request, SUBSCRIPTION);
  return 'refusal' in read ? read.refusal : json(200, await source.setSubscription(actor, id, read.body));
}

async function done(work: Promise<void>): Promise<HttpResponse> {
  await work;
  return { status: 204, headers: {}, body: '' };
}

function refused(error: unknown, log: Log): HttpResponse {
  return error instanceof QueryError ? bad(error.message) : accountRefusal(error, log);
}
