import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Accounts } from '../../src/accounts/accounts.js';
import { LOGIN_RULES } from '../../src/accounts/login-limits.js';
import {
  type AccountsDatabase,
  accountsDatabase,
  accountsOn,
  newUser,
  PASSWORD,
  recordingLog,
} from '../accounts/support.js';
import { apiOf } from './accounts-api.js';

let at: AccountsDatabase;
beforeAll(async () => {
  at = await accountsDatabase('embedded');
});
afterAll(() => at.stop());

describe('the resources of accounts', () => {
  let accounts: Accounts;
  let api: ReturnType<typeof apiOf>;

  beforeEach(() => {
    ({ accounts } = accountsOn(at.pool));
    api = apiOf(accounts);
  });

  const logIn = async (email: string, password = PASSWORD) =>
    (await api('POST', '/v1/auth/login', { body: { email, password } })).body as Record<string, string>;

  it('take somebody from registering to logging out', async () => {
    const account = { email: 'grace@example.com', password: PASSWORD };
    expect((await api('POST', '/v1/auth/register', { body: account })).status).toBe(202);
    const login = await api('POST', '/v1/auth/login', { body: { ...account, device: 'laptop' } });
    expect([login.status, login.headers['cache-control'], login.body.tokenType]).toEqual([200, 'no-store', 'Bearer']);
    const { accessToken: token, refreshToken, deviceToken } = login.body;
    expect([typeof refreshToken, typeof deviceToken]).toEqual(['string', 'string']);
    const me = await api('GET', '/v1/auth/me', { token });
    expect(me.body).toMatchObject({
      email: account.email,
      role: 'user',
      scopes: null,
      keyId: null,
      entitlements: { plan: 'free' },
    });
    const next = (await api('POST', '/v1/auth/refresh', { body: { refreshToken } })).body;
    const change = { currentPassword: PASSWORD, newPassword: 'a different one' };
    expect((await api('POST', '/v1/auth/password', { token: next.accessToken, body: change })).status).toBe(204);
    expect((await api('POST', '/v1/auth/logout', { token: next.accessToken, body: {} })).status).toBe(204);
    const after = await api('GET', '/v1/auth/me', { token: next.accessToken });
    expect([after.status, after.body.code, after.headers['www-authenticate']]).toEqual([
      401,
      'revoked',
      'Bearer error="invalid_token"',
    ]);
    expect((await api('POST', '/v1/auth/refresh', { body: { refreshToken: next.refreshToken } })).body.code).toBe(
      'revoked',
    );
  });

  it('do not tell whether there is an account, in words, headers or work', async () => {
    const { email } = await newUser(at.pool);
    const before = accounts.stats().passwords;
    const strangers = { email: 'nobody@example.com', password: 'wrong password' };
    const known = await api('POST', '/v1/auth/login', { body: { ...strangers, email } });
    const middle = accounts.stats().passwords;
    const unknown = await api('POST', '/v1/auth/login', { body: strangers });
    const after = accounts.stats().passwords;
    expect(known.status).toBe(401);
    expect(unknown).toEqual(known);
    expect([middle.verified - before.verified, after.verified - middle.verified]).toEqual([1, 1]);

    const fresh = await api('POST', '/v1/auth/register', { body: { email: 'fresh@example.com', password: PASSWORD } });
    const taken = await api('POST', '/v1/auth/register', { body: { email, password: 'some other password' } });
    expect(taken).toEqual(fresh);
    expect(accounts.stats().passwords.hashed - after.hashed).toBe(2);
    expect((await api('POST', '/v1/auth/login', { body: { email, password: 'some other password' } })).status).toBe(
      401,
    );
    expect((await api('POST', '/v1/auth/login', { body: { email, password: PASSWORD } })).status).toBe(200);
  });

  it('ask the database the same questions for an account that is there and one that is not', async () => {
    const { email } = await newUser(at.pool);
    const asked: string[] = [];
    const sql = {
      query: <T>(text: string, values?: readonly unknown[]) => {
        asked.push(text);
        return at.pool.query<T>(text, values);
      },
    };
    const watched = apiOf(accountsOn(at.pool, { sql }).accounts);
    await watched('POST', '/v1/auth/login', { body: { email, password: 'wrong password' } });
    const known = asked.splice(0);
    await watched('POST', '/v1/auth/login', { body: { email: 'nobody@example.com', password: 'wrong password' } });
    expect(known).toHaveLength(1);
    expect(asked).toEqual(known);
  });

  it.each([
    ['no body', '/v1/auth/login', '', 400],
    ['no JSON', '/v1/auth/login', '{', 400],
    ['a list', '/v1/auth/login', [], 400],
    ['an unknown field', '/v1/auth/login', { email: 'a@b.c', password: 'x', admin: true }, 400],
    ['a password that is no text', '/v1/auth/login', { email: 'a@b.c', password: { $ne: 1 } }, 400],
    ['an email that is a list', '/v1/auth/login', { email: ['a@b.c'], password: 'x' }, 400],
    ['a huge password', '/v1/auth/login', { email: 'a@b.c', password: 'x'.repeat(1025) }, 400],
    ['a huge body', '/v1/auth/login', { email: 'a@b.c', password: 'x'.repeat(20_000) }, 413],
    ['a short password', '/v1/auth/register', { email: 'a@b.c', password: 'short' }, 400],
    ['the email as password', '/v1/auth/register', { email: 'long@example.com', password: 'Long@example.com' }, 400],
    ['an email that is none', '/v1/auth/register', { email: 'a b@c', password: PASSWORD }, 400],
    ['an email with a null byte', '/v1/auth/register', { email: 'a\u0000@b.c', password: PASSWORD }, 400],
    ['a refresh token that is none', '/v1/auth/refresh', { refreshToken: 'x' }, 401],
    ['deep nesting', '/v1/auth/login', `${'['.repeat(8000)}${']'.repeat(8000)}`, 400],
  ])('refuse %s, without repeating it', async (_name, path, body, status) => {
    const answer = await api('POST', path, { body });
    expect([answer.status, answer.headers['content-type']]).toEqual([status, 'application/problem+json']);
    expect(JSON.stringify(answer.body)).not.toMatch(/a@b\.c|xxxx|short"/);
  });

  it.each(['\u0000', '\ud800', 'x\udc00y'])(
    'refuse texts with %j, which no database holds, before anything is done',
    async (bad) => {
      const { log, lines } = recordingLog();
      const { email } = await newUser(at.pool, 'admin');
      const { accessToken: token = '' } = await logIn(email);
      const strict = apiOf(accounts, log);
      const post = (path: string, body: object) => strict('POST', path, { token, body });
      const login = { email, password: PASSWORD };
      for (const answer of [
        await post('/v1/auth/register', { ...login, email: `${bad}${email}` }),
        await post('/v1/auth/login', { ...login, email: `${email}${bad}` }),
        await post('/v1/auth/login', { ...login, device: `my ${bad}` }),
        await post('/v1/auth/keys', { name: `${bad}bot`, scopes: ['candles'] }),
        ...(bad === '\u0000' ? [await strict('GET', '/v1/auth/users?email=a%00', { token })] : []),
      ]) {
        expect([answer.status, answer.body.code]).toEqual([400, 'bad_request']);
        expect(answer.body.detail).toMatch(
          /^"(email|device|name)":? must not contain the character U\+0000 or half of a/,
        );
      }
      expect(lines).toEqual([]);
    },
  );

  it('refuse what is not sent as JSON, and pages of other sites', async () => {
    const body = { email: 'a@b.c', password: 'x' };
    expect((await api('POST', '/v1/auth/login', { body, headers: { 'content-type': 'text/plain' } })).status).toBe(415);
    const from = (origin: string) => api('POST', '/v1/auth/login', { body, headers: { origin } });
    expect((await from('https://evil.example')).status).toBe(403);
    expect((await from('null')).status).toBe(403);
    expect((await from('https://app.example.com.evil.example')).status).toBe(403);
    expect((await from('https://app.example.com')).status).toBe(401);
    expect((await from('http://localhost:8080')).status).toBe(401);
    const { email } = await newUser(at.pool, 'admin');
    const { accessToken: token = '' } = await logIn(email);
    for (const path of ['/v1/auth/keys', '/v1/auth/users'])
      expect((await api('GET', path, { token, headers: { origin: 'https://evil.example' } })).status).toBe(403);
  });

  it('say when to come back after too many failures, and let others in', async () => {
    const limited = apiOf(accountsOn(at.pool, { loginRules: LOGIN_RULES }).accounts);
    const { email } = await newUser(at.pool);
    const attempt = (password: string, address: string, more: object = {}) =>
      limited('POST', '/v1/auth/login', { body: { email, password, ...more }, headers: { 'x-test-address': address } });
    const { deviceToken } = (await attempt(PASSWORD, '192.0.2.7')).body;
    for (let i = 0; i < LOGIN_RULES.perAccountAndAddress; i++)
      expect((await attempt('wrong password', '192.0.2.7')).status).toBe(401);
    const refused = await attempt(PASSWORD, '192.0.2.7');
    expect([refused.status, refused.body.code]).toEqual([429, 'too_many_attempts']);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(800);
    expect((await attempt(PASSWORD, '192.0.2.8')).status).toBe(200);
    expect((await attempt(PASSWORD, '192.0.2.7', { deviceToken })).status).toBe(200);
    expect((await attempt(PASSWORD, '192.0.2.7', { deviceToken: `${deviceToken}x` })).status).toBe(429);
  });

  it('bound how many passwords are compared at once, and refuse the rest', async () => {
    const { accounts: small } = accountsOn(at.pool, { passwords: { concurrency: 1, waiting: 3 } });
    const flood = apiOf(small);
    const { email } = await newUser(at.pool);
    const answers = await Promise.all(
      Array.from({ length: 40 }, () =>
        flood('POST', '/v1/auth/login', { body: { email, password: 'wrong password' } }),
      ),
    );
    const busy = answers.filter(({ status }) => status === 503);
    expect([busy[0]?.body.code, busy[0]?.headers['retry-after']]).toEqual(['busy', '2']);
    expect(answers.filter(({ status }) => status === 401).length + busy.length).toBe(40);
    expect(small.stats().passwords).toMatchObject({ running: 0, waiting: 0, refused: busy.length });
    expect((await flood('POST', '/v1/auth/login', { body: { email, password: PASSWORD } })).status).toBe(200);
  });

  it('make keys that are shown once, do what they may, and end', async () => {
    const { email } = await newUser(at.pool, 'publisher');
    const { accessToken: token = '' } = await logIn(email);
    const made = await api('POST', '/v1/auth/keys', {
      token,
      body: { name: 'bot', scopes: ['candles', 'signals:write'] },
    });
    expect([made.status, made.body.scopes, made.body.lastUsedAt]).toEqual([201, ['candles', 'signals:write'], null]);
    const { key, ...entry } = made.body;
    const me = await api('GET', '/v1/auth/me', { token: key });
    expect(me.body).toMatchObject({ keyId: entry.id, sessionId: null, expiresAt: null, scopes: entry.scopes });
    for (const [method, path, body] of [
      ['GET', '/v1/auth/keys'],
      ['POST', '/v1/auth/keys', { name: 'more', scopes: ['candles'] }],
      ['POST', '/v1/auth/logout', { all: true }],
      ['POST', '/v1/auth/password', { currentPassword: PASSWORD, newPassword: 'a different one' }],
    ] as const)
      expect((await api(method, path, { token: key, body })).status).toBe(403);
    await accounts.stop();
    const list = (await api('GET', '/v1/auth/keys', { token })).body.keys;
    expect(list).toEqual([{ ...entry, lastUsedAt: expect.any(Number) }]);
    expect((await api('DELETE', `/v1/auth/keys/${entry.id}`, { token })).status).toBe(204);
    expect((await api('GET', '/v1/auth/me', { token: key })).body.code).toBe('revoked');
    expect((await api('DELETE', `/v1/auth/keys/${entry.id}`, { token })).status).toBe(404);
    expect((await api('DELETE', '/v1/auth/keys/x', { token })).status).toBe(400);
  });

  it('give nobody keys or rights of others', async () => {
    const [one, two] = [await newUser(at.pool), await newUser(at.pool)];
    const [mine, theirs] = [await logIn(one.email), await logIn(two.email)];
    const token = mine.accessToken ?? '';
    const key = await api('POST', '/v1/auth/keys', {
      token: theirs.accessToken ?? '',
      body: { name: 'k', scopes: ['rules'] },
    });
    expect((await api('DELETE', `/v1/auth/keys/${key.body.id}`, { token })).status).toBe(404);
    expect((await api('GET', '/v1/auth/me', { token: key.body.key })).status).toBe(200);
    const write = { name: 'k', scopes: ['signals:write'] };
    expect((await api('POST', '/v1/auth/keys', { token, body: write })).body.code).toBe('scope_not_allowed');
    for (const scopes of [[], ['admin'], ['candles', 'x'], 'candles', ['rules', 'rules', 'rules', 'rules', 'rules']])
      expect((await api('POST', '/v1/auth/keys', { token, body: { name: 'k', scopes } })).status).toBe(400);
    for (const [method, path, body] of [
      ['GET', '/v1/auth/users'],
      ['GET', `/v1/auth/users/${two.id}`],
      ['DELETE', `/v1/auth/users/${two.id}`],
      ['PUT', `/v1/auth/users/${one.id}/role`, { role: 'admin' }],
      ['PUT', `/v1/auth/users/${one.id}/subscription`, { plan: 'pro' }],
      ['DELETE', `/v1/auth/users/${two.id}/subscription`],
    ] as const) {
      expect((await api(method, path, { token, body })).status).toBe(403);
      expect((await api(method, path, { body })).status).toBe(401);
    }
  });

  it('let administrators look after users, but not end their own rights', async () => {
    const admin = await newUser(at.pool, 'admin');
    const user = await newUser(at.pool);
    const { accessToken: token = '' } = await logIn(admin.email);
    const { accessToken: theirs = '' } = await logIn(user.email);
    const one = `/v1/auth/users/${user.id}`;
    const send = async (method: string, path: string, body?: unknown) =>
      (await api(method, path, { token, body })).status;
    expect(await send('PUT', `${one}/role`, { role: 'publisher' })).toBe(204);
    expect(await send('PUT', `${one}/subscription`, { plan: 'pro', endDate: '2026-12-31' })).toBe(200);
    const me = (await api('GET', '/v1/auth/me', { token: theirs })).body;
    expect([me.role, me.entitlements.plan]).toEqual(['publisher', 'pro']);
    const details = (await api('GET', one, { token })).body;
    expect(details).toMatchObject({ email: user.email, role: 'publisher', entitlements: { plan: 'pro' } });
    expect(details.subscriptions).toMatchObject([
      { plan: 'pro', startDate: '2026-11-22', endDate: '2026-12-31', status: 'active' },
    ]);
    expect(await send('DELETE', `${one}/subscription`)).toBe(204);
    expect(await send('DELETE', `${one}/subscription`)).toBe(404);
    expect((await api('GET', '/v1/auth/me', { token: theirs })).body.entitlements.plan).toBe('free');
    expect(await send('DELETE', one)).toBe(204);
    expect((await api('GET', '/v1/auth/me', { token: theirs })).body.code).toBe('revoked');
    expect([await send('GET', one), await send('DELETE', one)]).toEqual([404, 404]);
    const own = `/v1/auth/users/${admin.id}`;
    expect([await send('PUT', `${own}/role`, { role: 'user' }), await send('DELETE', own)]).toEqual([409, 409]);
    for (const bad of [
      { plan: 'gold' },
      { plan: 'pro', endDate: '2026-02-30' },
      { plan: 'pro', endDate: '2020-01-01' },
      {},
    ])
      expect(await send('PUT', `${own}/subscription`, bad)).toBe(400);
    expect([await send('PUT', `${own}/role`, { role: 'root' }), await send('GET', '/v1/auth/users/x')]).toEqual([
      400, 400,
    ]);
  });

  it('list users page by page, found by a part of their address', async () => {
    const admin = await newUser(at.pool, 'admin');
    const { accessToken: token = '' } = await logIn(admin.email);
    const wanted = [];
    for (let i = 0; i < 5; i++) {
      const email = `page_${i}%@paged.example`;
      await api('POST', '/v1/auth/register', { body: { email, password: PASSWORD } });
      wanted.push(email);
    }
    const found: string[] = [];
    let path = '/v1/auth/users?email=PAGE_&limit=2';
    for (let next: string | null = ''; next !== null; path = `/v1/auth/users?email=PAGE_&limit=2&after=${next}`) {
      const page = (await api('GET', path, { token })).body;
      found.push(...page.users.map(({ email }: { email: string }) => email));
      expect(page.users.length).toBeLessThanOrEqual(2);
      next = page.next;
    }
    expect(found.sort()).toEqual(wanted);
    expect((await api('GET', '/v1/auth/users?limit=0', { token })).status).toBe(400);
    expect((await api('GET', '/v1/auth/users?after=x', { token })).status).toBe(400);
  });

  it('log nothing that somebody could log in with', async () => {
    const { log, lines } = recordingLog();
    const broken = { query: () => Promise.reject(new Error('the database is away')) };
    const { accounts: logged } = accountsOn(at.pool, { log });
    const { accounts: failing } = accountsOn(at.pool, { log, sql: broken });
    const secrets = ['canary password one', 'canary password two', 'canary wrong password', 'canary-not-a-token'];
    const account = { email: 'canary@example.com', password: secrets[0] };
    const send = apiOf(logged, log);
    await send('POST', '/v1/auth/register', { body: account });
    await send('POST', '/v1/auth/login', { body: { ...account, password: secrets[2] } });
    const login = (await send('POST', '/v1/auth/login', { body: account })).body;
    const token = login.accessToken;
    const key = (await send('POST', '/v1/auth/keys', { token, body: { name: 'k', scopes: ['candles'] } })).body;
    await send('GET', '/v1/auth/me', { token: key.key });
    await send('POST', '/v1/auth/password', { token, body: { currentPassword: secrets[0], newPassword: secrets[1] } });
    const next = (await send('POST', '/v1/auth/refresh', { body: { refreshToken: login.refreshToken } })).body;
    await send('POST', '/v1/auth/refresh', { body: { refreshToken: login.refreshToken } });
    await send('GET', '/v1/auth/me', { token: 'canary-not-a-token' });
    await send('DELETE', `/v1/auth/keys/${key.id}`, { token });
    await send('POST', '/v1/auth/login', { body: '{"password":"canary password one"' });
    await send('POST', '/v1/auth/logout', { token, body: { all: true } });
    const dead = apiOf(failing, log);
    for (const name of ['register', 'login'])
      expect((await dead('POST', `/v1/auth/${name}`, { body: account })).status).toBe(503);
    expect((await dead('GET', '/v1/auth/me', { token: key.key })).status).toBe(503);
    await logged.stop();
    secrets.push(token, key.key, login.refreshToken, login.deviceToken, next.accessToken, next.refreshToken);
    const hidden = secrets.flatMap((secret) => [String(secret), String(secret).slice(-20)]);
    const text = lines.join('\n');
    expect(lines.length).toBeGreaterThan(5);
    expect(text).toContain('logged in');
    expect(hidden.filter((secret) => text.includes(secret))).toEqual([]);
  });

  it('are few where another provider has the passwords', async () => {
    const external = { jwksUrl: 'http://127.0.0.1:1/keys', issuer: 'https://id.example', audience: 'candlecast' };
    const other = apiOf(accountsOn(at.pool, { provider: { external } }).accounts);
    const answer = await other('POST', '/v1/auth/login', { body: { email: 'a@b.c', password: 'x' } });
    expect([answer.status, answer.body.code]).toEqual([404, 'external_provider']);
  });

  it('make no accounts for strangers where that is closed', async () => {
    const closed = apiOf(accountsOn(at.pool, { registration: false }).accounts);
    const body = { email: 'stranger@example.com', password: PASSWORD };
    expect((await closed('POST', '/v1/auth/register', { body })).body.code).toBe('registration_closed');
  });
});
