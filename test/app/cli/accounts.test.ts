import { afterAll, beforeAll, expect, test } from 'vitest';
import { createUser } from '../../../src/accounts/create-user.js';
import { RedisAnnouncer } from '../../../src/accounts/redis.js';
import { parseTokenKeys } from '../../../src/accounts/token-keys.js';
import { endPlan, listPlans, setPlan } from '../../../src/app/cli/plan.js';
import { accessToken, createToken, listTokens, revokeToken } from '../../../src/app/cli/token.js';
import { deleteUser, listSessions, listUsers, logOut, setRole, showUser } from '../../../src/app/cli/user.js';
import { systemClock } from '../../../src/kit/clock.js';
import { silentLog } from '../../../src/kit/log.js';
import { closeRedis, createRedis } from '../../../src/kit/redis.js';
import type { AccountChange } from '../../../src/wire/identity.js';
import { type AccountsDatabase, accountsDatabase, accountsOn, JWT_SECRET, PASSWORD } from '../../accounts/support.js';
import { RedisServer } from '../../support/redis.js';
import { type Environment, Program } from '../../support/server.js';
import { Places } from '../support.js';
import { json, work } from './ground.js';

const places = new Places();
let database: AccountsDatabase;
let redis: RedisServer;
let env: Environment;
/** A node of the cluster, which asks the database too seldom to notice by itself. */
let node: ReturnType<typeof accountsOn>['accounts'];
const heard: AccountChange[] = [];
const undo: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  [database, redis] = await Promise.all([accountsDatabase('embedded'), RedisServer.start()]);
  env = {
    DATA_DIR: await places.directory(),
    DATABASE_URL: database.database.url,
    REDIS_URL: redis.url,
    REDIS_PREFIX: 'p:',
    JWT_SECRET,
  };
  const client = createRedis(redis.url, { name: 'node', log: silentLog });
  await new Promise((resolve) => client.once('ready', resolve));
  const announcer = new RedisAnnouncer({
    url: redis.url,
    prefix: 'p:',
    redis: client,
    clock: systemClock,
    log: silentLog,
  });
  await announcer.start();
  while ((await redis.cli('PUBSUB', 'NUMSUB', 'p:accounts')).endsWith('0')) await new Promise(setImmediate);
  node = accountsOn(database.pool, {
    clock: systemClock,
    announcer,
    pollMs: 3_600_000,
    provider: { keys: parseTokenKeys(JWT_SECRET) },
  }).accounts;
  await node.start();
  node.onChange((change) => void heard.push(change));
  undo.push(
    () => node.stop(),
    async () => closeRedis(client),
    () => announcer.stop(),
    () => redis.stop(),
    () => database.stop(),
  );
  for (const email of ['ann@example.com', 'bob@example.com'])
    await createUser(database.pool, systemClock, { email, role: 'user', password: PASSWORD });
});

afterAll(async () => {
  for (const end of undo) await end();
  await places.clear();
});

async function told(userId: string): Promise<void> {
  await expect.poll(() => heard.some((change) => change.userId === userId)).toBe(true);
  heard.length = 0;
}

const ANN = 'Ann@example.com';

test('a key works on every node until it is revoked, and nodes are told at once', async () => {
  const made = await work(env, (g) => createToken(g, ANN, { name: 'bot', scopes: 'candles,rules' }));
  const key = made.out.trim();
  expect(key).toMatch(/^cck_/);
  const identity = await node.authenticate(key);
  expect(identity).toMatchObject({ role: 'user', scopes: ['candles', 'rules'] });
  const { keys } = await json<{ keys: { id: string; name: string }[] }>(env, (g) => listTokens(g, ANN, { json: true }));
  expect(keys.map(({ name }) => name)).toEqual(['bot']);
  await work(env, (g) => revokeToken(g, ANN, keys[0]?.id ?? '', {}));
  await told('userId' in identity ? identity.userId : '');
  expect(await node.authenticate(key)).toEqual({ failure: 'revoked' });
  await expect(work(env, (g) => revokeToken(g, ANN, 'x', {}))).rejects.toThrow(/has no API key "x"/);
});

test('an access token is that of a session, which can be ended', async () => {
  const { token } = await json<{ token: string }>(env, (g) => accessToken(g, ANN, { json: true }));
  expect(await node.authenticate(token)).toMatchObject({ keyId: null });
  const { sessions } = await json<{ sessions: { device: string }[] }>(env, (g) => listSessions(g, ANN, { json: true }));
  expect(sessions.map(({ device }) => device)).toEqual(['command line']);
  expect((await work(env, (g) => logOut(g, ANN, undefined, {}))).out).toBe(
    '1 sessions of ann@example.com have ended\n',
  );
  await expect.poll(() => node.authenticate(token)).toEqual({ failure: 'revoked' });
});

test('roles, plans and deletion reach the nodes', async () => {
  const { id, role } = await json<{ id: string; role: string }>(env, (g) =>
    setRole(g, ANN, 'publisher', { json: true }),
  );
  expect(role).toBe('publisher');
  await told(id);
  await work(env, (g) => setPlan(g, id, 'pro', { to: '2999-12-31' }));
  await told(id);
  const shown = await json<object>(env, (g) => showUser(g, id, { json: true }));
  expect(shown).toMatchObject({
    role: 'publisher',
    entitlements: { plan: 'pro' },
    subscriptions: [{ endDate: '2999-12-31' }],
  });
  expect((await work(env, (g) => listPlans(g, ANN, {}))).out).toMatch(/pro .*2999-12-31 {2}active/);
  await work(env, (g) => endPlan(g, ANN, {}));
  await told(id);
  await expect(work(env, (g) => endPlan(g, ANN, {}))).rejects.toThrow(/no active subscription/);
  await expect(work(env, (g) => setPlan(g, ANN, 'gold', {}))).rejects.toThrow('the plans are free, pro');
  await expect(work(env, (g) => setPlan(g, ANN, 'pro', { from: '2027-02-02', to: '2027-01-01' }))).rejects.toThrow(
    /before/,
  );
  await expect(work(env, (g) => deleteUser(g, ANN, {}))).rejects.toThrow(/--yes/);
  await work(env, (g) => deleteUser(g, ANN, { yes: true }));
  await told(id);
  const { users } = await json<{ users: { email: string }[] }>(env, (g) => listUsers(g, { json: true, limit: '100' }));
  expect(users.map(({ email }) => email)).toEqual(['bob@example.com']);
  await expect(work(env, (g) => showUser(g, ANN, {}))).rejects.toThrow(/there is no account "Ann@example.com"/);
});

test('without Redis the change is made, and the command says that the nodes were not told', async () => {
  const bob = ['user', 'password', 'bob@example.com'];
  const away = new Program(bob, { ...env, REDIS_URL: 'redis://127.0.0.1:1' }, 'another good password\n');
  const weak = new Program(bob, env, 'short\n');
  expect([await away.exited(), away.output]).toEqual([0, expect.stringContaining('Redis was not told')]);
  expect(away.output).toContain('bob@example.com has a new password');
  expect([await weak.exited(), weak.output]).toEqual([2, expect.stringContaining('a password must have 10 to 128')]);
});
