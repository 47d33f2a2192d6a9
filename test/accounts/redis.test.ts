import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { RedisAnnouncer, redisSessionStore } from '../../src/accounts/redis.js';
import { systemClock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import { closeRedis, createRedis, type RedisClient } from '../../src/kit/redis.js';
import type { AccountChange } from '../../src/wire/identity.js';
import { RedisServer } from '../support/redis.js';
import { accountsDatabase, accountsOn, logIn, loginsOf, newUser, recordingLog } from './support.js';

let server: RedisServer;
let redis: RedisClient;

const ready = async (client: RedisClient): Promise<RedisClient> => {
  if (client.status !== 'ready') await new Promise((resolve) => client.once('ready', resolve));
  return client;
};

beforeAll(async () => {
  server = await RedisServer.start();
  redis = await ready(createRedis(server.url, { name: 'test', log: silentLog }));
});
afterAll(async () => {
  closeRedis(redis);
  await server.stop();
});

test('announcements reach other nodes, and begin anew after Redis was gone', async () => {
  const options = { url: server.url, prefix: 'cc:', redis, clock: systemClock, log: silentLog };
  const [sender, receiver] = [new RedisAnnouncer(options), new RedisAnnouncer(options)];
  const heard: AccountChange[] = [];
  let wake = (): void => {};
  const next = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
    });
  receiver.onAnnounced((change) => {
    heard.push(change);
    wake();
  });
  let gaps = 0;
  receiver.onGap(() => {
    gaps++;
    wake();
  });
  const listening = next();
  await receiver.start();
  await listening;
  const change = { userId: '019ab000-0000-7000-8000-000000000000', sessionId: null, keyId: null };
  for (const bad of ['x', '{}', '{"userId":1}', '{"userId":"x","sessionId":null,"keyId":null}', 'null'])
    await redis.publish('cc:accounts', bad);
  const first = next();
  sender.announce(change);
  await first;
  expect([heard, gaps]).toEqual([[change], 1]);
  const back = next();
  await server.restart();
  sender.announce(change);
  await back;
  expect(gaps).toBe(2);
  await ready(redis);
  const second = next();
  sender.announce(change);
  await second;
  expect(heard.length).toBeGreaterThanOrEqual(2);
  await receiver.stop();
  await sender.stop();
});

describe('announcements are listened to again', () => {
  const change = { userId: '019ab000-0000-7000-8000-000000000000', sessionId: null, keyId: null };
  let announcer: RedisAnnouncer;
  let heard: AccountChange[];
  let gaps: number;
  const lines = recordingLog();

  beforeEach(() => {
    const options = { url: server.url, prefix: 'again:', redis, clock: systemClock, log: lines.log };
    announcer = new RedisAnnouncer(options);
    heard = [];
    gaps = 0;
    announcer.onAnnounced((one) => heard.push(one));
    announcer.onGap(() => {
      gaps++;
    });
    return () => announcer.stop();
  });

  const told = (gap: number) =>
    vi.waitFor(
      () => {
        expect(gaps).toBe(gap);
        announcer.announce(change);
        expect(heard[0]).toEqual(change);
      },
      { timeout: 15_000, interval: 20 },
    );

  test('after Redis refused the subscription', async () => {
    await redis.call('ACL', 'SETUSER', 'default', 'resetchannels');
    await announcer.start();
    await vi.waitFor(() => expect(lines.lines.join()).toContain('Redis refuses subscriptions'), { timeout: 15_000 });
    expect(gaps).toBe(0);
    await redis.call('ACL', 'SETUSER', 'default', 'allchannels');
    await told(1);
  });

  test('after Redis froze, which no connection shows', async () => {
    await announcer.start();
    await told(1);
    server.freeze();
    await vi.waitFor(() => expect(lines.lines.join()).toMatch(/away.*candlecast-accounts/), { timeout: 15_000 });
    server.thaw();
    heard = [];
    await told(2);
  });
});

test('session:{user_id} is the latest session, by which nobody can log in', async () => {
  const at = await accountsDatabase('real');
  const { accounts } = accountsOn(at.pool, { sessionStore: redisSessionStore(redis, 'cc:') });
  const { id, email } = await newUser(at.pool);
  const record = async () => {
    await accounts.stop();
    const text = await redis.get(`cc:session:${id}`);
    return text === null ? null : (JSON.parse(text) as unknown);
  };
  const hash = (token: string) => createHash('sha256').update(token).digest('hex');
  const one = await logIn(accounts, email);
  expect(await record()).toEqual({ token: hash(one.refreshToken), expiry: one.refreshExpiresAt });
  const two = await logIn(accounts, email);
  expect(await record()).toEqual({ token: hash(two.refreshToken), expiry: two.refreshExpiresAt });
  const next = await loginsOf(accounts).refresh(one.refreshToken);
  expect(await record()).toEqual({ token: hash(next.refreshToken), expiry: next.refreshExpiresAt });
  await loginsOf(accounts).logout(next, false);
  expect(await record()).toEqual({ token: hash(two.refreshToken), expiry: two.refreshExpiresAt });
  await loginsOf(accounts).logout(two, true);
  expect(await record()).toBeNull();
  await logIn(accounts, email);
  expect(await record()).not.toBeNull();
  await at.pool.query('DELETE FROM users WHERE id = $1', [id]);
  await accounts.catchUp();
  expect(await record()).toBeNull();
  await at.stop();
});

test('session:{user_id} of users who were deleted or logged out while Redis was away goes when it is back', async () => {
  const kept = await RedisServer.start({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
  const client = await ready(createRedis(kept.url, { name: 'test', log: silentLog }));
  const at = await accountsDatabase('embedded');
  const { accounts, clock } = accountsOn(at.pool, { sessionStore: redisSessionStore(client, 'cc:') });
  await accounts.start();
  const [deleted, gone, stays] = [await newUser(at.pool), await newUser(at.pool), await newUser(at.pool)];
  await logIn(accounts, deleted.email);
  const ending = await logIn(accounts, gone.email);
  const older = await logIn(accounts, stays.email);
  const latest = await logIn(accounts, stays.email);
  const keys = async () => (await client.keys('cc:session:*')).sort();
  const keyOf = ({ id }: { id: string }) => `cc:session:${id}`;
  await vi.waitFor(async () => expect(await keys()).toEqual([deleted, gone, stays].map(keyOf).sort()));
  await kept.kill();
  await at.pool.query('DELETE FROM users WHERE id = $1', [deleted.id]);
  await accounts.catchUp();
  await loginsOf(accounts).logout(ending, true);
  await loginsOf(accounts).logout(latest, false);
  // While it is away nothing comes of trying.
  await clock.run(clock.now() + 10_000);
  await kept.restart();
  await ready(client);
  expect(await keys()).toHaveLength(3);
  await vi.waitFor(
    async () => {
      await clock.run(clock.now() + 2000);
      expect(await keys()).toEqual([keyOf(stays)]);
    },
    { timeout: 10_000, interval: 20 },
  );
  const token = createHash('sha256').update(older.refreshToken).digest('hex');
  await vi.waitFor(async () => expect(JSON.parse((await client.get(keyOf(stays))) ?? '')).toMatchObject({ token }));
  await accounts.stop();
  closeRedis(client);
  await Promise.all([at.stop(), kept.stop()]);
});
