import { z } from 'zod';
import { type HttpRequest, type HttpResponse, json } from '../wire/http.js';
import { type Identity, SCOPES, type Scope } from '../wire/identity.js';
import { answering } from './account-error.js';
import type { AccountRoutesOptions } from './auth.js';
import { refuse, whoSends } from './bearer.js';
import { bad, readBody } from './json-body.js';
import { forbiddenOrigin, isAllowedOrigin } from './origin.js';
import type { Route } from './router.js';

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

type Options = Omit<AccountRoutesOptions, 'addressOf'>;

const PATH = '/v1/auth/keys';
const NEW_KEY = z.strictObject({
  name: z.string('must be a text').trim().min(1, 'is missing').max(100, 'is too long'),
  scopes: z
    .array(z.enum(SCOPES, `must be of ${SCOPES.join(', ')}`), 'must be a list')
    .min(1, 'must name a scope')
    .max(SCOPES.length, 'names a scope twice'),
});

/** The API keys of whoever asks: GET and POST /v1/auth/keys, DELETE /v1/auth/keys/{id}. No API key may make or end keys. */
export function keyRoutes(source: KeySource, options: Options): Route[] {
  return [
    { method: 'GET', path: PATH, handle: forUser(options, (identity) => list(source, identity)) },
    { method: 'POST', path: PATH, handle: forUser(options, (identity, request) => create(source, identity, request)) },
    {
      method: 'DELETE',
      path: `${PATH}/{id}`,
      handle: forUser(options, (identity, _, { id = '' }) => revoke(source, identity, id)),
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
  if (!z.uuid().safeParse(id).success) return bad('The id of a key is a UUID.');
  await source.revokeKey(userId, id.toLowerCase());
  return { status: 204, headers: {}, body: '' };
}

function forUser(
  { auth, allowedOrigins, log }: Options,
  work: (
    identity: Identity,
    request: HttpRequest,
    parameters: Readonly<Record<string, string>>,
  ) => Promise<HttpResponse>,
): Route['handle'] {
  return (request, parameters) => {
    if (!isAllowedOrigin(request, allowedOrigins)) return forbiddenOrigin();
    return answering(log, async () => {
      const sender = await whoSends(auth, request, log);
      if ('refusal' in sender) return sender.refusal;
      return refuse(sender.identity, null, null) ?? work(sender.identity, request, parameters);
    });
  };
}
