import { z } from 'zod';
import { INTERVALS } from '../../market/interval.js';
import { SCOPES } from '../../wire/identity.js';
import { LOGIN, LOGOUT, PASSWORD, REFRESH, REGISTER } from '../auth.js';
import { NEW_KEY } from '../keys.js';
import {
  badRequest,
  done,
  forbidden,
  RETRY_AFTER,
  refused,
  time,
  unauthorized,
  unavailable,
  uuid,
  withBody,
} from './answers.js';
import type { Answer, Section } from './operation.js';

const ID = '0198f0c2-a1b2-7c3d-8e4f-5a6b7c8d9e0f';
const KEY_ID = '0198f0c2-b1b2-7c3d-8e4f-5a6b7c8d9e0f';
const PASSWORD_EXAMPLE = 'correct horse battery staple';

export const role = z.enum(['user', 'publisher', 'admin']);

export const entitlements = z
  .strictObject({
    plan: z.string(),
    connections: z.int().nonnegative().describe('WebSocket connections at a time.'),
    channels: z.int().nonnegative().describe('Channels of one connection.'),
    historyDays: z.int().nonnegative().nullable().describe('null: everything there is.'),
    intervals: z.array(z.enum(INTERVALS)).nullable().describe('null: all.'),
    signalsPerDay: z.int().nonnegative(),
    signalSymbols: z.array(z.string()).nullable().describe('Symbols of signals to all and of rules; null: all.'),
    rules: z.int().nonnegative(),
  })
  .meta({ id: 'Entitlements', description: 'What a plan gives, over all servers.' });

export const userShape = { id: uuid, email: z.string(), role, createdAt: time };

const tokenShape = {
  tokenType: z.literal('Bearer'),
  userId: uuid,
  accessToken: z.string(),
  accessExpiresAt: time,
  refreshToken: z.string().describe('Good once: the answer to it has the next.'),
  refreshExpiresAt: time,
};
const tokens = {
  tokenType: 'Bearer',
  userId: ID,
  accessToken: 'eyJhbGciOi…',
  accessExpiresAt: 1767576600000,
  refreshToken: 'ccr_…',
  refreshExpiresAt: 1770167700000,
};

const keyShape = {
  id: uuid,
  name: z.string(),
  scopes: z.array(z.enum(SCOPES)),
  createdAt: time,
  lastUsedAt: time.nullable(),
};
const keyEntry = z.strictObject(keyShape).meta({ id: 'ApiKey' });
const keyExample = { id: KEY_ID, name: 'bot', scopes: ['candles'], createdAt: 1767575700000, lastUsedAt: null };

const external = refused('Passwords are with an identity provider: log in there.', ['external_provider']);
const fromPage = refused('Web pages of other sites may not.', ['origin_not_allowed']);
const tooMany = refused('Too many attempts.', ['too_many_attempts'], { headers: RETRY_AFTER });
const busy: Answer = unavailable('busy', 'accounts_unavailable');
const accountsAway = unavailable('accounts_unavailable');

export const accountSection: Section = {
  name: 'Accounts',
  description:
    'A login gives a short-lived access token and a refresh token; programs use API keys. Either goes into `Authorization: Bearer …`, never into an address.',
  operations: [
    {
      method: 'POST',
      path: '/v1/auth/register',
      id: 'register',
      summary: 'Make an account',
      description: 'The answer is the same whether the address had an account already.',
      access: 'everybody',
      body: { schema: REGISTER, example: { email: 'ada@example.com', password: PASSWORD_EXAMPLE } },
      answers: {
        202: {
          description: 'There is an account with this address.',
          schema: z.strictObject({ status: z.literal('accepted'), detail: z.string() }),
        },
        400: badRequest('bad_email', 'weak_password'),
        403: refused('Accounts are made by the administrator, or the page may not.', [
          'registration_closed',
          'origin_not_allowed',
        ]),
        404: external,
        ...withBody,
        429: tooMany,
        503: busy,
      },
    },
    {
      method: 'POST',
      path: '/v1/auth/login',
      id: 'logIn',
      summary: 'Log in',
      description:
        '`deviceToken`, of an earlier answer, says that it is a device that has logged in before: it is not held up by attempts of others.',
      access: 'everybody',
      body: { schema: LOGIN, example: { email: 'ada@example.com', password: PASSWORD_EXAMPLE, device: 'laptop' } },
      answers: {
        200: {
          description: 'Tokens.',
          schema: z.strictObject({ ...tokenShape, deviceToken: z.string() }),
          example: { ...tokens, userId: ID, deviceToken: 'ccd_…' },
        },
        400: badRequest(),
        401: refused('Email or password is wrong.', ['invalid_credentials']),
        403: fromPage,
        404: external,
        ...withBody,
        429: tooMany,
        503: busy,
      },
    },
    {
      method: 'POST',
      path: '/v1/auth/refresh',
      id: 'refreshTokens',
      summary: 'New tokens for a refresh token',
      access: 'everybody',
      body: { schema: REFRESH, example: { refreshToken: 'ccr_…' } },
      answers: {
        200: { description: 'Tokens.', schema: z.strictObject(tokenShape), example: tokens },
        400: badRequest(),
        401: refused('Not a refresh token that is good.', ['invalid_token', 'token_expired', 'revoked']),
        403: fromPage,
        404: external,
        409: refused('Another request was quicker with the same one: take its answer.', ['refresh_superseded']),
        ...withBody,
        503: busy,
      },
    },
    {
      method: 'POST',
      path: '/v1/auth/logout',
      id: 'logOut',
      summary: 'End this login, or all',
      access: { scope: null },
      body: { schema: LOGOUT, example: { all: false } },
      answers: {
        204: done,
        400: badRequest(),
        401: unauthorized,
        403: forbidden(),
        404: external,
        ...withBody,
        503: accountsAway,
      },
    },
    {
      method: 'POST',
      path: '/v1/auth/password',
      id: 'changePassword',
      summary: 'Another password',
      description: 'Ends all other logins.',
      access: { scope: null },
      body: {
        schema: PASSWORD,
        example: { currentPassword: PASSWORD_EXAMPLE, newPassword: 'another horse, another staple' },
      },
      answers: {
        204: done,
        400: badRequest('weak_password'),
        401: refused('No token, one that is not accepted, or the wrong password.', [
          'auth_required',
          'invalid_token',
          'token_expired',
          'revoked',
          'invalid_credentials',
        ]),
        403: forbidden(),
        404: external,
        ...withBody,
        429: tooMany,
        503: busy,
      },
    },
    {
      method: 'GET',
      path: '/v1/auth/me',
      id: 'whoAmI',
      summary: 'Whose token it is, and what they may',
      access: { scope: null },
      answers: {
        200: {
          description: 'An API key has no `sessionId`, a login no `keyId` and no `scopes`.',
          schema: z.strictObject({
            ...userShape,
            sessionId: uuid.nullable(),
            keyId: uuid.nullable(),
            scopes: z.array(z.enum(SCOPES)).nullable(),
            expiresAt: time.nullable(),
            entitlements,
          }),
        },
        401: unauthorized,
        503: accountsAway,
      },
    },
    {
      method: 'GET',
      path: '/v1/auth/keys',
      id: 'listKeys',
      summary: 'Your API keys',
      access: { scope: null },
      answers: {
        200: {
          description: 'All of them.',
          schema: z.strictObject({ keys: z.array(keyEntry) }),
          example: { keys: [keyExample] },
        },
        401: unauthorized,
        403: forbidden(),
        503: accountsAway,
      },
    },
    {
      method: 'POST',
      path: '/v1/auth/keys',
      id: 'createKey',
      summary: 'A new API key',
      access: { scope: null },
      body: { schema: NEW_KEY, example: { name: 'bot', scopes: ['candles', 'signals:read'] } },
      answers: {
        201: {
          description: '`key` is shown this once.',
          schema: z.strictObject({ ...keyShape, key: z.string() }),
          example: { ...keyExample, key: 'cck_…' },
        },
        400: badRequest(),
        401: unauthorized,
        403: forbidden('scope_not_allowed'),
        409: refused('You have as many keys as there may be: revoke one.', ['too_many_keys']),
        ...withBody,
        503: accountsAway,
      },
    },
    {
      method: 'DELETE',
      path: '/v1/auth/keys/{id}',
      id: 'revokeKey',
      summary: 'Revoke an API key',
      access: { scope: null },
      answers: {
        204: done,
        400: badRequest(),
        401: unauthorized,
        403: forbidden(),
        404: refused('You have no such key.', ['not_found']),
        503: accountsAway,
      },
    },
  ],
};
