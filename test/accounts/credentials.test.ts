import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createUser } from '../../src/accounts/create-user.js';
import { Passwords } from '../../src/accounts/passwords.js';
import { ownSecret, parseTokenKeys } from '../../src/accounts/token-keys.js';
import { UserError } from '../../src/kit/errors.js';
import { ManualClock } from '../feed/manual-clock.js';
import {
  type AccountsDatabase,
  accountsDatabase,
  accountsOn,
  asIdentity,
  codeOf,
  logIn,
  NOON,
  newUser,
  PASSWORD,
} from './support.js';

describe('passwords', () => {
  it('are hashed with Argon2id at no less than 19 MiB and two passes, each with its own salt', async () => {
    const passwords = new Passwords();
    const [one, two] = [await passwords.hash(PASSWORD), await passwords.hash(PASSWORD)];
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(one).not.toBe(two);
    expect([await passwords.verify(one, PASSWORD), await passwords.verify(one, `${PASSWORD} `)]).toEqual([true, false]);
  });

  it('are the same typed as composed or decomposed characters', async () => {
    const passwords = new Passwords();
    const stored = await passwords.hash('Zürich 2026');
    expect(await passwords.verify(stored, 'Zu\u0308rich 2026')).toBe(true);
  });

  it.each([null, '!', '', '$2b$12$abc', '$argon2id$broken', 'plain password'])(
    'stored as %s let nobody in',
    async (stored) => {
      const passwords = new Passwords();
      expect(await passwords.verify(stored, stored ?? '')).toBe(false);
      expect(passwords.stats().verified).toBe(1);
    },
  );

  it('are computed a few at a time in the order of asking; what does not fit in the queue is refused', async () => {
    const passwords = new Passwords({ concurrency: 2, waiting: 3 });
    const order: number[] = [];
    const asked = Array.from({ length: 8 }, (_, i) => codeOf(passwords.hash(PASSWORD).then(() => void order.push(i))));
    expect(passwords.stats()).toEqual({ hashed: 8, verified: 0, refused: 3, running: 2, waiting: 3 });
    expect((await Promise.all(asked)).map((code) => code ?? 'done')).toEqual([
      ...Array(5).fill('done'),
      ...Array(3).fill('busy'),
    ]);
    expect([...order].sort()).toEqual([0, 1, 2, 3, 4]);
    expect(passwords.stats()).toMatchObject({ running: 0, waiting: 0 });
    await passwords.hash(PASSWORD);
  });
});

describe('the keys of tokens', () => {
  const long = 'x'.repeat(32);

  it('have the names they are given, or one made from the secret', () => {
    expect(parseTokenKeys(`new:${long},old:${long}y`).map(({ kid }) => kid)).toEqual(['new', 'old']);
    const [one, two] = [parseTokenKeys(long), parseTokenKeys(`${long}y`)];
    expect(one).toHaveLength(1);
    expect(one[0]?.kid).toMatch(/^[0-9a-f]{8}$/);
    expect(one[0]?.kid).not.toBe(two[0]?.kid);
  });

  it.each(['short', 'x'.repeat(31), `a:${'x'.repeat(31)}`, `a:${long},b:short`, `a:${long},a:${long}y`])(
    'refuse %s',
    (text) => {
      expect(() => parseTokenKeys(text)).toThrow(UserError);
      expect(() => parseTokenKeys(text)).not.toThrow(text);
    },
  );

  it('are made once for a server that has none, for its eyes only', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'candlecast-secret-'));
    const first = await ownSecret(directory);
    expect(first.created).toBe(true);
    expect(await ownSecret(directory)).toEqual({ secret: first.secret, created: false });
    expect((await stat(join(directory, 'jwt-secret'))).mode & 0o777).toBe(0o600);
    expect((await readFile(join(directory, 'jwt-secret'), 'utf8')).trim()).toBe(first.secret);
    expect(parseTokenKeys(first.secret)).toHaveLength(1);
    await rm(directory, { recursive: true });
  });
});

describe('in the database', () => {
  let at: AccountsDatabase;
  beforeAll(async () => {
    at = await accountsDatabase('real');
  });
  afterAll(() => at.stop());

  it('the operator makes users, whose secrets are not stored', async () => {
    const clock = new ManualClock(NOON);
    const user = await createUser(at.pool, clock, { email: ' Root@Example.com ', role: 'admin', password: PASSWORD });
    expect(user).toMatchObject({ email: 'root@example.com', role: 'admin' });
    const again = { email: 'ROOT@example.com', role: 'user', password: PASSWORD } as const;
    await expect(createUser(at.pool, clock, again)).rejects.toThrow(/already/);
    await expect(createUser(at.pool, clock, { ...again, email: 'x' })).rejects.toBeInstanceOf(UserError);
    await expect(createUser(at.pool, clock, { ...again, email: 'b@c.d', password: 'short' })).rejects.toThrow(
      /10 to 128/,
    );
    const { accounts } = accountsOn(at.pool);
    const login = await logIn(accounts, user.email);
    const { key } = await accounts.createKey(asIdentity(await accounts.authenticate(login.accessToken)), {
      name: 'k',
      scopes: ['rules'],
    });
    const { rows } = await at.pool.query<{ line: string }>(
      `SELECT u::text || s::text || k::text AS line FROM users u JOIN sessions s ON s.user_id = u.id JOIN api_keys k ON k.user_id = u.id WHERE u.id = $1`,
      [user.id],
    );
    expect(rows).toHaveLength(1);
    const hex = (text: string) => Buffer.from(text).toString('hex');
    for (const secret of [PASSWORD, login.refreshToken, login.deviceToken, login.accessToken, key, key.slice(-43)])
      for (const form of [secret, hex(secret)]) expect(rows[0]?.line).not.toContain(form);
    const unlogged = await createUser(at.pool, clock, { email: 'later@example.com', role: 'admin', password: null });
    for (const password of ['', '!'])
      expect(await codeOf(logIn(accounts, unlogged.email, { password }))).toBe('invalid_credentials');
  });

  it('keys note their last use once a minute, and are bounded', async () => {
    const { accounts, clock } = accountsOn(at.pool);
    const { id, email } = await newUser(at.pool);
    const identity = asIdentity(await accounts.authenticate((await logIn(accounts, email)).accessToken));
    const { key } = await accounts.createKey(identity, { name: 'bot', scopes: ['candles'] });
    const lastUsed = async () => {
      await accounts.stop();
      return (await accounts.listKeys(id))[0]?.lastUsedAt;
    };
    expect(await lastUsed()).toBeNull();
    await accounts.authenticate(key);
    expect(await lastUsed()).toBe(NOON);
    await clock.jump(NOON + 59_999);
    await accounts.authenticate(key);
    expect(await lastUsed()).toBe(NOON);
    await clock.jump(NOON + 60_000);
    await accounts.authenticate(key);
    expect(await lastUsed()).toBe(NOON + 60_000);
    for (let i = 1; i < 50; i++) await accounts.createKey(identity, { name: `bot ${i}`, scopes: ['candles'] });
    expect(await codeOf(accounts.createKey(identity, { name: 'one more', scopes: ['candles'] }))).toBe('too_many_keys');
  });
});
