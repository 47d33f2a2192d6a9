import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Accounts } from '../../src/accounts/accounts.js';
import { SESSION_MS, SESSIONS_PER_USER, SUPERSEDED_MS } from '../../src/accounts/sessions.js';
import { ACCESS_TOKEN_MS } from '../../src/accounts/tokens.js';
import type { ManualClock } from '../feed/manual-clock.js';
import {
  type AccountsDatabase,
  accountsDatabase,
  accountsOn,
  asIdentity,
  codeOf,
  logIn,
  loginsOf,
  NOON,
  newUser,
  PASSWORD,
} from './support.js';

describe.each(['embedded', 'real'] as const)('sessions on the %s engine', (kind) => {
  let at: AccountsDatabase;
  let accounts: Accounts;
  let clock: ManualClock;

  beforeAll(async () => {
    at = await accountsDatabase(kind);
    ({ accounts, clock } = accountsOn(at.pool));
    await accounts.start();
  });
  afterAll(async () => {
    await accounts.stop();
    await at.stop();
  });

  const refresh = (token: string) => loginsOf(accounts).refresh(token);
  const advance = (ms: number) => clock.jump(clock.now() + ms);
  const failure = async (token: string) => {
    const result = await accounts.authenticate(token);
    return 'failure' in result ? result.failure : null;
  };

  it('begin with register and login, go on with refresh, end with logout', async () => {
    const email = `Ada.${kind}@Example.com`;
    await loginsOf(accounts).register({ email, password: PASSWORD, address: '192.0.2.1' });
    const granted = await logIn(accounts, email.toUpperCase());
    expect(granted.accessExpiresAt).toBe(clock.now() + ACCESS_TOKEN_MS);
    expect(granted.refreshExpiresAt).toBe(clock.now() + SESSION_MS);
    const identity = asIdentity(await accounts.authenticate(granted.accessToken));
    expect(identity).toMatchObject({ userId: granted.userId, role: 'user', sessionId: granted.sessionId, keyId: null });
    expect(identity).toMatchObject({
      scopes: null,
      expiresAt: granted.accessExpiresAt,
      entitlements: { plan: 'free' },
    });
    expect(await accounts.user(granted.userId)).toMatchObject({ email: email.toLowerCase(), createdAt: NOON });

    await advance(ACCESS_TOKEN_MS);
    expect(await failure(granted.accessToken)).toBe('token_expired');
    const next = await refresh(granted.refreshToken);
    expect([next.sessionId, next.userId]).toEqual([granted.sessionId, granted.userId]);
    expect(await failure(next.accessToken)).toBeNull();
    await loginsOf(accounts).logout(identity, false);
    expect(await failure(next.accessToken)).toBe('revoked');
    expect(await codeOf(refresh(next.refreshToken))).toBe('revoked');
  });

  it('are over when they were not refreshed for long', async () => {
    const { email } = await newUser(at.pool);
    const { refreshToken } = await logIn(accounts, email);
    await advance(SESSION_MS - 1);
    const next = await refresh(refreshToken);
    await advance(SESSION_MS);
    expect(await codeOf(refresh(next.refreshToken))).toBe('revoked');
  });

  it.each([1, 2, 5])('end when a token is used again that is %s refreshes old', async (age) => {
    const { email } = await newUser(at.pool);
    const stolen = await logIn(accounts, email);
    const other = await logIn(accounts, email);
    let latest = await refresh(stolen.refreshToken);
    for (let i = 1; i < age; i++) latest = await refresh(latest.refreshToken);
    await advance(SUPERSEDED_MS);
    expect(await codeOf(refresh(stolen.refreshToken))).toBe('revoked');
    expect(await failure(latest.accessToken)).toBe('revoked');
    expect(await codeOf(refresh(latest.refreshToken))).toBe('revoked');
    expect(await failure(other.accessToken)).toBeNull();
  });

  it('bear a request that was sent twice', async () => {
    const { email } = await newUser(at.pool);
    const { refreshToken } = await logIn(accounts, email);
    const next = await refresh(refreshToken);
    await advance(SUPERSEDED_MS - 1);
    expect(await codeOf(refresh(refreshToken))).toBe('refresh_superseded');
    expect(await failure(next.accessToken)).toBeNull();
    await refresh(next.refreshToken);
  });

  it('give one new token for one old one, however many ask at once', async () => {
    const { email } = await newUser(at.pool);
    let { refreshToken } = await logIn(accounts, email);
    for (let round = 0; round < 10; round++) {
      const asked = Array.from({ length: 8 }, () => refresh(refreshToken));
      const answers = await Promise.allSettled(asked);
      const won = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
      expect(won).toHaveLength(1);
      const lost = await Promise.all(asked.map(codeOf));
      expect(lost.filter((code) => code === 'refresh_superseded')).toHaveLength(7);
      refreshToken = won[0]?.refreshToken ?? '';
      expect(await failure(won[0]?.accessToken ?? '')).toBeNull();
    }
  });

  it('end on every device but this one with a new password', async () => {
    const { email } = await newUser(at.pool);
    const [here, there] = [await logIn(accounts, email), await logIn(accounts, email)];
    const identity = asIdentity(await accounts.authenticate(here.accessToken));
    const change = { currentPassword: PASSWORD, newPassword: 'another long password', address: '192.0.2.1' };
    const wrong = { ...change, currentPassword: 'not the password' };
    expect(await codeOf(loginsOf(accounts).changePassword(identity, wrong))).toBe('invalid_credentials');
    await loginsOf(accounts).changePassword(identity, change);
    expect(await failure(there.accessToken)).toBe('revoked');
    expect(await codeOf(refresh(there.refreshToken))).toBe('revoked');
    expect(await failure(here.accessToken)).toBeNull();
    await refresh(here.refreshToken);
    expect(await codeOf(logIn(accounts, email))).toBe('invalid_credentials');
    await logIn(accounts, email, { password: change.newPassword });
  });

  it('never outlive a password that is changed while somebody logs in with it', async () => {
    let grants = 0;
    // The change comes a little later in each round, until some login was verified before it.
    for (let round = 0; round < 5 || (grants === 0 && round < 60); round++) {
      const { id, email } = await newUser(at.pool);
      const logins = Array.from({ length: 4 }, () => logIn(accounts, email).catch(() => null));
      await pause(2 * round);
      await at.pool.query(`UPDATE users SET password_hash = 'gone' WHERE id = $1`, [id]);
      const granted = (await Promise.all(logins)).filter((login) => login !== null);
      grants += granted.length;
      // Those that were verified before the change have tokens; none of them is worth anything.
      for (const { accessToken, refreshToken } of granted) {
        expect(await failure(accessToken)).toBe('revoked');
        expect(await codeOf(refresh(refreshToken))).toBe('revoked');
      }
    }
    expect(grants).toBeGreaterThan(0);
  });

  it('end everywhere with a logout of all devices', async () => {
    const { email } = await newUser(at.pool);
    const [here, there] = [await logIn(accounts, email), await logIn(accounts, email)];
    await loginsOf(accounts).logout(asIdentity(await accounts.authenticate(here.accessToken)), true);
    expect([await failure(here.accessToken), await failure(there.accessToken)]).toEqual(['revoked', 'revoked']);
  });

  it('are bounded: the oldest end', async () => {
    const { id, email } = await newUser(at.pool);
    const first = await logIn(accounts, email);
    await at.pool.query(
      `INSERT INTO sessions (id, user_id, family_hash, token_hash, password_version, created_at, refreshed_at, expires_at)
       SELECT gen_random_uuid(), $1, sha256(n::text::bytea || $2::text::bytea), '', 0, $3, $3, $4 FROM generate_series(1, $5) AS n`,
      [id, id, '2027-06-01T00:00:00Z', '2099-01-01T00:00:00Z', SESSIONS_PER_USER],
    );
    expect(await failure(first.accessToken)).toBeNull();
    await advance(ACCESS_TOKEN_MS - 1);
    await logIn(accounts, email);
    const { rows } = await at.pool.query(`SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL`, [id]);
    expect(rows).toHaveLength(SESSIONS_PER_USER);
  });

  it('and keys go with their user', async () => {
    const admin = await newUser(at.pool, 'admin');
    const { id, email } = await newUser(at.pool);
    const granted = await logIn(accounts, email);
    const identity = asIdentity(await accounts.authenticate(granted.accessToken));
    const { key } = await accounts.createKey(identity, { name: 'bot', scopes: ['candles'] });
    const actor = asIdentity(await accounts.authenticate((await logIn(accounts, admin.email)).accessToken));
    await accounts.administration.setSubscription(actor, id, { plan: 'pro' });
    expect(await failure(key)).toBeNull();
    await accounts.administration.delete(actor, id);
    expect([await failure(granted.accessToken), await failure(key)]).toEqual(['revoked', 'invalid_token']);
    expect(await codeOf(refresh(granted.refreshToken))).toBe('invalid_token');
    const { rows } = await at.pool.query(
      `SELECT 1 FROM sessions WHERE user_id = $1 UNION ALL SELECT 1 FROM api_keys WHERE user_id = $1
       UNION ALL SELECT 1 FROM subscriptions WHERE user_id = $1`,
      [id],
    );
    expect(rows).toEqual([]);
  });
});
