import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CreateCounter, memoryCounters, redisCounters } from '../../src/accounts/counters.js';
import { LOGIN_RULES, LoginLimits, network } from '../../src/accounts/login-limits.js';
import { systemClock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import { closeRedis, createRedis, type RedisClient } from '../../src/kit/redis.js';
import { RedisServer } from '../support/redis.js';
import { codeOf } from './support.js';

const RULES = { ...LOGIN_RULES, perAddress: 12, perAccountAndAddress: 3, perAccount: 6, perDevice: 4 };
let server: RedisServer;
let redis: RedisClient;
let prefixes = 0;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = createRedis(server.url, { name: 'test', log: silentLog });
  await new Promise((resolve) => redis.once('ready', resolve));
});
afterAll(async () => {
  closeRedis(redis);
  await server.stop();
});

const stores: [string, () => CreateCounter][] = [
  ['memory', () => memoryCounters],
  ['Redis', () => redisCounters(redis, `test${++prefixes}:`, systemClock)],
];

describe.each(stores)('limits of logins, counted in %s', (_name, create) => {
  const limits = () => new LoginLimits(create(), RULES);
  /** A guess that fails, or the code it is refused with. */
  const guess = async (on: LoginLimits, account: string, address: string, device: string | null = null) => {
    const entered = await codeOf(on.enter({ account, address, device }));
    return typeof entered === 'string' ? entered : 'guessed';
  };
  const guesses = async (on: LoginLimits, count: number, account: string, address: string) => {
    for (let i = 0; i < count; i++) expect(await guess(on, account, address)).toBe('guessed');
  };

  it('refuse one address that guesses at one account, and nobody else', async () => {
    const on = limits();
    await guesses(on, 3, 'a', '192.0.2.1');
    expect(await guess(on, 'a', '192.0.2.1')).toBe('too_many_attempts');
    expect(await guess(on, 'a', '192.0.2.2')).toBe('guessed');
    expect(await guess(on, 'b', '192.0.2.1')).toBe('guessed');
  });

  it('refuse one address that tries many accounts', async () => {
    const on = limits();
    for (let i = 0; i < 12; i++) expect(await guess(on, `account ${i}`, '192.0.2.1')).toBe('guessed');
    expect(await guess(on, 'another', '192.0.2.1')).toBe('too_many_attempts');
    expect(await guess(on, 'another', '192.0.2.2')).toBe('guessed');
  });

  it('leave one guess an address to many addresses, which lock nobody out', async () => {
    const on = limits();
    await guesses(on, 3, 'victim', '192.0.2.1');
    await guesses(on, 3, 'victim', '192.0.2.2');
    for (let i = 3; i < 60; i++) {
      expect(await guess(on, 'victim', `192.0.2.${i}`)).toBe('guessed');
      expect(await guess(on, 'victim', `192.0.2.${i}`)).toBe('too_many_attempts');
    }
    const attempt = await on.enter({ account: 'victim', address: '198.51.100.1', device: null });
    await attempt.succeeded();
    for (let i = 0; i < 4; i++) expect(await guess(on, 'victim', '192.0.2.1', 'laptop')).toBe('guessed');
    expect(await guess(on, 'victim', '192.0.2.1', 'laptop')).toBe('too_many_attempts');
    expect(await guess(on, 'victim', '192.0.2.1', 'phone')).toBe('guessed');
  });

  it('count nothing for those who know their password', async () => {
    const on = limits();
    for (let i = 0; i < 40; i++)
      await (await on.enter({ account: 'a', address: '192.0.2.1', device: null })).succeeded();
    for (let i = 0; i < 40; i++) await (await on.enter({ account: 'a', address: '192.0.2.1', device: null })).undo();
    for (let i = 0; i < 40; i++)
      await (await on.enter({ account: 'a', address: '192.0.2.1', device: 'd' })).succeeded();
    await guesses(on, 3, 'a', '192.0.2.1');
  });

  it('count guesses that are made at once', async () => {
    const on = limits();
    const made = await Promise.all(Array.from({ length: 50 }, () => guess(on, 'a', '192.0.2.1')));
    expect(made.filter((one) => one === 'guessed')).toHaveLength(3);
  });

  it('say when to come back', async () => {
    const on = limits();
    await guesses(on, 3, 'a', '192.0.2.1');
    const error = await on
      .enter({ account: 'a', address: '192.0.2.1', device: null })
      .catch((refused: unknown) => refused);
    expect(error).toMatchObject({ retryAfterMs: expect.any(Number) });
    const { retryAfterMs } = error as { retryAfterMs: number };
    expect(retryAfterMs > RULES.windowMs - 60_000 && retryAfterMs <= RULES.windowMs).toBe(true);
  });
});

describe('limits', () => {
  it.each(stores)(
    'are not reached by many from one address who log in at once and rightly, counted in %s',
    async (_, create) => {
      const limits = new LoginLimits(create(), RULES);
      const entering = Array.from({ length: 30 }, (_, i) =>
        limits.enter({ account: `a${i}`, address: '192.0.2.1', device: null }),
      );
      const entered = (await Promise.allSettled(entering)).flatMap((one) =>
        one.status === 'fulfilled' ? [one.value] : [],
      );
      expect(entered).toHaveLength(RULES.perAddress);
      for (const attempt of entered) await attempt.succeeded();
      await limits.enter({ account: 'another', address: '192.0.2.1', device: null });
    },
  );

  it('go on by themselves while Redis is away, and keep no address or account in it', async () => {
    const own = await RedisServer.start();
    const client = createRedis(own.url, { name: 'test', log: silentLog });
    await new Promise((resolve) => client.once('ready', resolve));
    const on = new LoginLimits(redisCounters(client, 'cc:', systemClock), RULES);
    await on.enter({ account: 'ada@example.com', address: '192.0.2.1', device: null });
    const keys = await client.keys('*');
    expect(keys).toHaveLength(3);
    for (const key of keys) expect(key).toMatch(/^cc:count:login-(address|pair|account):[\w-]{22}$/);
    await own.kill();
    const codes = [];
    for (let i = 0; i < 4; i++)
      codes.push(typeof (await codeOf(on.enter({ account: 'a', address: '192.0.2.9', device: null }))));
    expect(codes).toEqual(['object', 'object', 'object', 'string']);
    closeRedis(client);
    await own.stop();
  });

  it('ask a Redis that is frozen now and then only, not for every count', { timeout: 10_000 }, async () => {
    const own = await RedisServer.start();
    const client = createRedis(own.url, { name: 'test', log: silentLog });
    await new Promise((resolve) => client.once('ready', resolve));
    const on = new LoginLimits(redisCounters(client, 'cc:', systemClock), RULES);
    own.freeze();
    // Each has four counts, of which every one would wait for a second.
    for (let i = 0; i < 10; i++) await on.enter({ account: `a${i}`, address: `192.0.2.${i}`, device: null });
    own.thaw();
    closeRedis(client);
    await own.stop();
  });

  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002:0000:0000:0000:0009', '2001:db8:1:2::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['0000:0000:0000:0000:0000:ffff:c000:0201', '192.0.2.1'],
    ['', ''],
  ])('take %s for one of %s', (address, expected) => {
    expect(network(address)).toBe(expected);
  });
});
