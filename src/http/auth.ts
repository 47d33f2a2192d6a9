import { z } from 'zod';
import type { Log } from '../kit/log.js';
import { type HttpRequest, type HttpResponse, json, problem } from '../wire/http.js';
import type { Identity, UserRole } from '../wire/identity.js';
import { isStorable, STORABLE_RULE } from '../wire/storable.js';
import { answering } from './account-error.js';
import { type AuthSource, refuse, whoSends } from './bearer.js';
import { readBody } from './json-body.js';
import { forbiddenOrigin, isAllowedOrigin } from './origin.js';
import type { Route } from './router.js';

interface Tokens {
  readonly userId: string;
  readonly accessToken: string;
  /** Epoch ms. */
  readonly accessExpiresAt: number;
  readonly refreshToken: string;
  readonly refreshExpiresAt: number;
}

/** Rejections named AccountError have a `code`, and `retryAfterMs` where it is worth trying again. */
export interface LoginSource {
  register(account: { readonly email: string; readonly password: string; readonly address: string }): Promise<void>;
  login(login: {
    readonly email: string;
    readonly password: string;
    readonly device: string | null;
    readonly deviceToken: string | null;
    readonly address: string;
  }): Promise<Tokens & { readonly deviceToken: string }>;
  refresh(refreshToken: string): Promise<Tokens>;
  logout(identity: Identity, all: boolean): Promise<void>;
  changePassword(
    identity: Identity,
    change: { readonly currentPassword: string; readonly newPassword: string; readonly address: string },
  ): Promise<void>;
}

export interface UserSource {
  user(id: string): Promise<{
    readonly id: string;
    readonly email: string;
    readonly role: UserRole;
    readonly createdAt: number;
  } | null>;
}

export interface AccountRoutesOptions {
  readonly auth: AuthSource & UserSource;
  /** Origins of pages that may call, besides our own host. */
  readonly allowedOrigins: readonly string[];
  /** Whose attempts are counted together: the client's address, whatever proxies there are. */
  readonly addressOf: (request: HttpRequest) => string;
  readonly log: Log;
}

const PASSWORD_BYTES = 1024;
const email = z.string('must be a text').max(320, 'is too long').refine(isStorable, STORABLE_RULE);
const password = z.string('must be a text').min(1, 'is missing').max(PASSWORD_BYTES, 'is too long');
const secret = z.string('must be a text').max(200, 'is too long');

export const REGISTER = z.strictObject({ email, password });
export const LOGIN = z.strictObject({
  email,
  password,
  device: z.string('must be a text').max(200, 'is too long').refine(isStorable, STORABLE_RULE).optional(),
  deviceToken: secret.optional(),
});
export const REFRESH = z.strictObject({ refreshToken: secret });
export const LOGOUT = z.strictObject({ all: z.boolean('must be true or false').default(false) });
export const PASSWORD = z.strictObject({ currentPassword: password, newPassword: password });

const MADE = {
  status: 'accepted',
  detail: 'Log in with this email and password. If the address had an account already, nothing has changed.',
};

/**
 * /v1/auth/register, login, refresh, logout, password (POST) and me (GET). `logins` is null where an external identity
 * provider has the passwords: then there is only me. No answer tells whether an address has an account.
 */
export function authRoutes(logins: LoginSource | null, options: AccountRoutesOptions): Route[] {
  const me: Route = { method: 'GET', path: '/v1/auth/me', handle: (request) => whoAmI(options, request) };
  const names = ['register', 'login', 'refresh', 'logout', 'password'] as const;
  const actions = logins === null ? null : actionsOf(logins, options);
  return [
    me,
    ...names.map(
      (name): Route => ({
        method: 'POST',
        path: `/v1/auth/${name}`,
        handle: (request) => {
          if (!isAllowedOrigin(request, options.allowedOrigins)) return forbiddenOrigin();
          return answering(options.log, async () => (actions === null ? notHere() : actions[name](request)));
        },
      }),
    ),
  ];
}

type Action = (request: HttpRequest) => Promise<HttpResponse>;

function actionsOf(logins: LoginSource, options: AccountRoutesOptions) {
  const { addressOf } = options;
  return {
    register: withBody(REGISTER, async (body, request) => {
      await logins.register({ ...body, address: addressOf(request) });
      return json(202, MADE);
    }),
    login: withBody(LOGIN, async ({ device = null, deviceToken = null, ...body }, request) => {
      const granted = await logins.login({ ...body, device, deviceToken, address: addressOf(request) });
      return json(200, { ...toAnswer(granted), deviceToken: granted.deviceToken });
    }),
    refresh: withBody(REFRESH, async ({ refreshToken }) => json(200, toAnswer(await logins.refresh(refreshToken)))),
    logout: withLogin(options, LOGOUT, async (identity, { all }) => {
      await logins.logout(identity, all);
      return { status: 204, headers: {}, body: '' };
    }),
    password: withLogin(options, PASSWORD, async (identity, body, request) => {
      await logins.changePassword(identity, { ...body, address: addressOf(request) });
      return { status: 204, headers: {}, body: '' };
    }),
  };
}

function withBody<T>(schema: z.ZodType<T>, work: (body: T, request: HttpRequest) => Promise<HttpResponse>): Action {
  return async (request) => {
    const read = readBody(request, schema);
    return 'refusal' in read ? read.refusal : work(read.body, request);
  };
}

/** For somebody who is logged in; no API key is. */
function withLogin<T>(
  { auth, log }: AccountRoutesOptions,
  schema: z.ZodType<T>,
  work: (identity: Identity, body: T, request: HttpRequest) => Promise<HttpResponse>,
): Action {
  return async (request) => {
    const sender = await whoSends(auth, request, log);
    if ('refusal' in sender) return sender.refusal;
    const { identity } = sender;
    return refuse(identity, null, null) ?? withBody(schema, (body) => work(identity, body, request))(request);
  };
}

function toAnswer({ userId, accessToken, accessExpiresAt, refreshToken, refreshExpiresAt }: Tokens) {
  return { tokenType: 'Bearer', userId, accessToken, accessExpiresAt, refreshToken, refreshExpiresAt };
}

function whoAmI({ auth, log }: AccountRoutesOptions, request: HttpRequest): Promise<HttpResponse> {
  return answering(log, async () => {
    const sender = await whoSends(auth, request, log);
    if ('refusal' in sender) return sender.refusal;
    const { userId, scopes, sessionId, keyId, expiresAt, entitlements } = sender.identity;
    const user = await auth.user(userId);
    if (user === null) return problem(401, 'Unauthorized', 'The account has been deleted.', { code: 'revoked' });
    return json(200, { ...user, sessionId, keyId, scopes, expiresAt, entitlements });
  });
}

function notHere(): HttpResponse {
  const detail = 'This server believes the tokens of an identity provider: log in there.';
  return problem(404, 'Not found', detail, { code: 'external_provider' });
}
