import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Accounts } from '../../src/accounts/accounts.js';
import { createUser } from '../../src/accounts/create-user.js';
import type { ManualClock } from '../feed/manual-clock.js';
import { forge, goodClaims, HEADER, hmac } from './forged-tokens.js';
import { type AccountsDatabase, accountsDatabase, accountsOn, asIdentity, NOON, newUser } from './support.js';

const ISSUER = 'https://id.example/';
const NOW = NOON / 1000;
type Signer = Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];
type Claims = Record<string, unknown>;

let at: AccountsDatabase;
let server: Server;
let accounts: Accounts;
let clock: ManualClock;
let answersWith = 200;
let publicPem = '';
let requests = 0;
const signers = new Map<string, Signer>();

beforeAll(async () => {
  const keys: object[] = [];
  for (const alg of ['RS256', 'ES256', 'EdDSA', 'PS256']) {
    const { publicKey, privateKey } = await generateKeyPair(alg);
    if (alg === 'RS256') publicPem = await exportSPKI(publicKey);
    signers.set(alg, privateKey);
    keys.push({ ...(await exportJWK(publicKey)), kid: alg, alg, use: 'sig' });
  }
  server = createServer((_, response) => {
    requests++;
    response.writeHead(answersWith, { 'content-type': 'application/json' }).end(JSON.stringify({ keys }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
  at = await accountsDatabase('real');
  ({ accounts, clock } = accountsOn(at.pool, {
    provider: { external: { jwksUrl, issuer: ISSUER, audience: 'feed' } },
  }));
});
afterAll(async () => {
  await at.stop();
  server.close();
});

const GOOD = { iss: ISSUER, aud: 'feed', sub: 'auth0|1', iat: NOW, exp: NOW + 3600 };

function token(claims: Claims, header: Claims = {}, alg = 'RS256', signer = alg): Promise<string> {
  const key = signers.get(signer);
  if (key === undefined) throw new Error(`no key for ${signer}`);
  return new SignJWT({ ...GOOD, ...claims }).setProtectedHeader({ alg, kid: signer, typ: 'JWT', ...header }).sign(key);
}

test('a subject becomes a user when it is first seen, and is the same one ever after, also when seen twice at once', async () => {
  const tokens = await Promise.all(['RS256', 'ES256', 'EdDSA'].map((alg) => token({ sub: 'new|1' }, {}, alg)));
  const identities = (await Promise.all(tokens.map((one) => accounts.authenticate(one)))).map(asIdentity);
  expect(new Set(identities.map(({ userId }) => userId)).size).toBe(1);
  expect(identities[0]).toMatchObject({ role: 'user', sessionId: null, keyId: null, expiresAt: GOOD.exp * 1000 });
  const other = asIdentity(await accounts.authenticate(await token({ sub: 'new|2' })));
  expect(other.userId).not.toBe(identities[0]?.userId);
  const again = asIdentity(await accounts.authenticate(await token({ sub: 'new|1', exp: NOW + 60 })));
  expect(again.userId).toBe(identities[0]?.userId);
});

test('an address is taken over from the provider where it is verified and free; never somebody else’s account', async () => {
  const local = await newUser(at.pool, 'admin');
  const emailOf = async (claims: Claims) => {
    const { userId, role } = asIdentity(await accounts.authenticate(await token(claims)));
    return [role, (await accounts.user(userId))?.email];
  };
  expect(await emailOf({ sub: 'mail|1', email: 'Ada@Example.org', email_verified: true })).toEqual([
    'user',
    'ada@example.org',
  ]);
  const synthetic = ['user', expect.stringMatching(/^[0-9a-f-]{36}@users\.invalid$/)];
  expect(await emailOf({ sub: 'mail|2', email: 'bob@example.org', email_verified: false })).toEqual(synthetic);
  expect(await emailOf({ sub: 'mail|3', email: 'ada@example.org', email_verified: true })).toEqual(synthetic);
  expect(await emailOf({ sub: 'mail|4', email: local.email, email_verified: true })).toEqual(synthetic);
});

test('an administrator who was made without a password is who the provider says has the address', async () => {
  await createUser(at.pool, clock, { email: 'root@example.org', role: 'admin', password: null });
  const claims = { sub: 'root|1', email: 'root@example.org' };
  expect(asIdentity(await accounts.authenticate(await token({ ...claims, sub: 'root|0' }))).role).toBe('user');
  const admin = asIdentity(await accounts.authenticate(await token({ ...claims, email_verified: true })));
  expect(admin.role).toBe('admin');
  const thief = { ...claims, sub: 'root|2', email_verified: true };
  expect(asIdentity(await accounts.authenticate(await token(thief))).role).toBe('user');
});

test.each<[string, Claims, Claims, string?, string?]>([
  ['another issuer', { iss: 'https://evil.example/' }, {}],
  ['another audience', { aud: 'other' }, {}],
  ['no subject', { sub: undefined }, {}],
  ['an empty subject', { sub: '' }, {}],
  ['a subject that is a number', { sub: 7 }, {}],
  ['a subject with a null byte', { sub: 'a\u0000' }, {}],
  ['a subject of 256 characters', { sub: 'x'.repeat(256) }, {}],
  ['no expiry', { exp: undefined }, {}],
  ['no issue time', { iat: undefined }, {}],
  ['made in the future', { iat: NOW + 120 }, {}],
  ['not valid yet', { nbf: NOW + 120 }, {}],
  ['an identity token', {}, { typ: 'id+jwt' }],
  ['a proof', {}, { typ: 'dpop+jwt' }],
  ['a logout token', {}, { typ: 'logout+jwt' }],
  ['an algorithm that is not taken', {}, {}, 'PS256', 'PS256'],
  ['the key of another algorithm', {}, { kid: 'ES256' }],
  ['a key that is not there', {}, { kid: 'nobody' }],
])('%s is refused', async (_name, claims, header, alg = 'RS256', signer = alg) => {
  expect(await accounts.authenticate(await token(claims, header, alg, signer))).toEqual({ failure: 'invalid_token' });
});

test('expired is told apart; our own tokens and forged ones are nothing', async () => {
  expect(await accounts.authenticate(await token({ iat: NOW - 10, exp: NOW - 1 }))).toEqual({
    failure: 'token_expired',
  });
  const { id } = await newUser(at.pool);
  const ours = forge(HEADER, { ...goodClaims({ userId: id, sessionId: id }), iss: ISSUER, aud: 'feed' });
  expect(await accounts.authenticate(ours)).toEqual({ failure: 'invalid_token' });
  for (const alg of ['HS256', 'none']) {
    const confused = forge({ alg, kid: 'RS256', typ: 'JWT' }, GOOD, (signed) => hmac(signed, publicPem));
    expect(await accounts.authenticate(confused)).toEqual({ failure: 'invalid_token' });
  }
  const text = await token({ sub: 'forged|1' });
  const [header = '', , signature = ''] = text.split('.');
  const payload = Buffer.from(JSON.stringify({ ...GOOD, sub: 'forged|2' })).toString('base64url');
  expect(await accounts.authenticate(`${header}.${payload}.${signature}`)).toEqual({ failure: 'invalid_token' });
});

test('unknown key ids do not become a flood of requests; a provider that is away is told from a bad token', async () => {
  const before = requests;
  for (let i = 0; i < 20; i++) await accounts.authenticate(await token({}, { kid: `random${i}` }));
  expect(requests - before).toBeLessThanOrEqual(1);
  answersWith = 503;
  const { port } = server.address() as AddressInfo;
  const at503 = { jwksUrl: `http://127.0.0.1:${port}/keys`, issuer: ISSUER, audience: 'feed' };
  const nowhere = { ...at503, jwksUrl: 'http://127.0.0.1:1/keys' };
  for (const external of [at503, nowhere]) {
    const { accounts: waiting } = accountsOn(at.pool, { provider: { external } });
    await expect(waiting.authenticate(await token({}))).rejects.toThrow(/keys of the identity provider/);
  }
});
