import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Accounts } from '../../src/accounts/accounts.js';
import { badTokens, forge, goodClaims, HEADER, hmac, type Parts } from '../accounts/forged-tokens.js';
import {
  type AccountsDatabase,
  accountsDatabase,
  accountsOn,
  asIdentity,
  logIn,
  loginsOf,
  newUser,
} from '../accounts/support.js';
import { apiOf } from './accounts-api.js';

let at: AccountsDatabase;
let accounts: Accounts;
let parts: Parts;

beforeAll(async () => {
  at = await accountsDatabase('embedded');
  ({ accounts } = accountsOn(at.pool));
  await accounts.start();
  const { id, email } = await newUser(at.pool);
  const { sessionId: foreignSession } = await logIn(accounts, (await newUser(at.pool)).email);
  const [login, other] = [await logIn(accounts, email), await logIn(accounts, email)];
  const identity = asIdentity(await accounts.authenticate(login.accessToken));
  const { key } = await accounts.createKey(identity, { name: 'bot', scopes: ['candles'] });
  const revoked = await accounts.createKey(identity, { name: 'old bot', scopes: ['candles'] });
  await accounts.revokeKey(id, revoked.entry.id);
  await loginsOf(accounts).logout({ userId: id, sessionId: other.sessionId }, false);
  const { accessToken: good, refreshToken, sessionId } = login;
  parts = {
    userId: id,
    sessionId,
    foreignSession,
    good,
    revoked: other.accessToken,
    key,
    revokedKey: revoked.key,
    refreshToken,
  };
});
afterAll(async () => {
  await accounts.stop();
  await at.stop();
});

test('what the forger makes is good where nothing is bent', async () => {
  expect(await accounts.authenticate(forge(HEADER, goodClaims(parts)))).toMatchObject({ userId: parts.userId });
  const second = forge({ ...HEADER, kid: 'k2' }, goodClaims(parts), (text) =>
    hmac(text, 'fedcba9876543210fedcba9876543210'),
  );
  expect(await accounts.authenticate(second)).toMatchObject({ userId: parts.userId });
  for (const token of [parts.good, parts.key]) expect(await accounts.authenticate(token)).toHaveProperty('userId');
});

test('no token of more than 150 that are not right is accepted, asked directly or over HTTP', async () => {
  const tokens = badTokens(parts);
  expect(new Set(tokens.map(([, token]) => token)).size).toBeGreaterThan(150);
  const api = apiOf(accounts);
  const accepted: string[] = [];
  const answers = new Set<number>();
  for (const [name, token] of tokens) {
    const result = await accounts.authenticate(token);
    if (!('failure' in result)) accepted.push(name);
    const { status } = await api('GET', '/v1/auth/me', { token });
    answers.add(status);
    // Blanks around a token are not of the token.
    if (status !== 401 && token.trim() !== parts.good && token.trim() !== parts.key) accepted.push(`${name} over HTTP`);
  }
  expect(accepted).toEqual([]);
  expect([...answers].filter((status) => status !== 200)).toEqual([401]);
});

test('a good token is replayed after its session has ended in vain, also one that was just used', async () => {
  const { email } = await newUser(at.pool);
  const { accessToken, userId, sessionId } = await logIn(accounts, email);
  const api = apiOf(accounts);
  expect((await api('GET', '/v1/auth/me', { token: accessToken })).status).toBe(200);
  await loginsOf(accounts).logout({ userId, sessionId }, false);
  for (let i = 0; i < 3; i++) {
    const { status, body } = await api('GET', '/v1/auth/me', { token: accessToken });
    expect([status, body.code]).toEqual([401, 'revoked']);
  }
});

test.each(['Basic dXNlcjpwYXNz', 'Bearer', 'Bearer ', 'bearer', 'Token x', 'Bearer a b', '', 'Bearer \u0000'])(
  'the header "%s" is refused',
  async (authorization) => {
    expect((await apiOf(accounts)('GET', '/v1/auth/me', { headers: { authorization } })).status).toBe(401);
  },
);

test('tokens in the address or in a cookie are nothing', async () => {
  const api = apiOf(accounts);
  expect((await api('GET', `/v1/auth/me?access_token=${parts.good}&token=${parts.good}`)).status).toBe(401);
  expect((await api('GET', '/v1/auth/me', { headers: { cookie: `token=${parts.good}` } })).status).toBe(401);
});
