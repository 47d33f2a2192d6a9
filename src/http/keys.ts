import { z } from 'zod';
import { type HttpRequest, type HttpResponse, json } from '../wire/http.js';
import { type Identity, SCOPES, type Scope } from '../wire/identity.js';
import { isStorable, STORABLE_RULE } from '../wire/storable.js';
import { accountRefusal } from './account-error.js';
import { readBody } from './json-body.js';
import type { Route } from './router.js';
import { type Access, type UserRouteOptions, userRoute } from './user-route.js';

interface KeyEntry {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Epoch ms. */
  readonly createdAt: number;
  readonly lastUsedAt: number | null;
}

export interface KeySource {
  listKeys(userId: string): Promise<readonly KeyEntry[]>;
  /** `key` can be shown this once. */
  createKey(
    identity: Identity,
    key: { readonly name: string; readonly scopes: readonly Scope[] },
  ): Promise<{ readonly key: string; readonly entry: KeyEntry }>;
  revokeKey(userId: string, keyId: string): Promise<void>;
}

const PATH = '/v1/auth/keys';
export const NEW_KEY = z.strictObject({
  name: z
    .string('must be a text')
    .trim()
    .min(1, 'is missing')
    .max(100, 'is too long')
    .refine(isStorable, STORABLE_RULE),
  scopes: z
    .array(z.enum(SCOPES, `must be of ${SCOPES.join(', ')}`), 'must be a list')
    .min(1, 'must name a scope')
    .max(SCOPES.length, 'names a scope twice'),
});

const ACCESS: Access = {
  roles: null,
  scope: null,
  thing: 'key',
  isId: (id) => z.uuid().safeParse(id).success,
  failed: accountRefusal,
};

/** The API keys of whoever asks: GET and POST /v1/auth/keys, DELETE /v1/auth/keys/{id}. No API key may make or end keys. */
export function keyRoutes(source: KeySource, options: UserRouteOptions): Route[] {
  return [
    { method: 'GET', path: PATH, handle: userRoute(options, ACCESS, (identity) => list(source, identity)) },
    {
      method: 'POST',
      path: PATH,
      handle: userRoute(options, ACCESS, (identity, request) => create(source, identity, request)),
    },
    {
      method: 'DELETE',
      path: `${PATH}/{id}`,
      handle: userRoute(options, ACCESS, (identity, _, id) => revoke(source, identity, id)),
    },
  ];
}

async function list(source: KeySource, { userId }: Identity): Promise<HttpResponse> {
  return json(200, { keys: await source.listKeys(userId) });
}

async function create(source: KeySource, identity: Identity, request: HttpRequest): Promise<HttpResponse> {
  const read = readBody(request, NEW_KEY);
  if ('refusal' in read) return read.refusal;
  const { name, scopes } = read.body;
  const { key, entry } = await source.createKey(identity, { name, scopes: [...new Set(scopes)] });
  return json(201, { ...entry, key });
}

async function revoke(source: KeySource, { userId }: Identity, id: string): Promise<HttpResponse> {
  await source.revokeKey(userId, id);
  return { status: 204, headers: {}, body: '' };
}
