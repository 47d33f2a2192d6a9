import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConnectionCounter, LocalConnectionCounter } from '../../src/gateway/connection-counter.js';
import { RedisConnectionCounter } from '../../src/gateway/redis-connection-counter.js';
import { systemClock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import { closeRedis, createRedis, type RedisClient } from '../../src/kit/redis.js';
import { RedisClusterServers, RedisServer } from '../support/redis.js';
import { ListLog } from './transport-kit.js';

let users = 0;
const newUser = (): string => `018f0000-0000-7000-8000-${String(users++).padStart(12, '0')}`;

function contract(create: () => ConnectionCounter): void {
  it('takes as many as the limit, and again when one is released', async () => {
    const [counter, user] = [create(), newUser()];
    expect([await counter.take(user, 2), await counter.take(user, 2), await counter.take(user, 2)]).toEqual([
      true,
      true,
      false,
    ]);
    expect(await counter.take(newUser(), 2)).toBe(true);
    counter.release(user);
    expect([await counter.take(user, 2), await counter.take(user, 2)]).toEqual([true, false]);
    expect([await counter.take(user, 3), await counter.take(user, 0)]).toEqual([true, false]);
  });

  it('takes no more of many that come at once', async () => {
    const [counter, user] = [create(), newUser()];
    const taken = await Promise.all(Array.from({ length: 50 }, () => counter.take(user, 7)));
    expect(taken.filter(Boolean)).toHaveLength(7);
    for (let i = 0; i < 7; i++) counter.release(user);
    expect(await counter.take(user, 1)).toBe(true);
  });
}

describe('connections counted in one process', () => {
  contract(() => new LocalConnectionCounter());
});

/** Asks until it is so: other processes tell nothing when they get there. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}

describe('connections counted in Redis', () => {
  let server: RedisServer;
  let redis: RedisClient;
  const counters: RedisConnectionCounter[] = [];
  beforeAll(async () => {
    server = await RedisServer.start();
    redis = createRedis(server.url, { name: 'test', log: silentLog });
    await until(async () => redis.ping().then(Boolean, () => false));
  });
  afterAll(async () => {
    for (const counter of counters) await counter.stop();
    closeRedis(redis);
    await server.stop();
  });

  function node(placeMs = 60_000, log = silentLog): RedisConnectionCounter {
    const name = `node-${counters.length}`;
    const counter = new RedisConnectionCounter({
      redis,
      prefix: 'test:',
      node: name,
      clock: systemClock,
      log,
      placeMs,
    });
    counters.push(counter);
    return counter;
  }

  contract(() => node());

  it('counts over all nodes', async () => {
    const [a, b, user] = [node(), node(), newUser()];
    const taken = await Promise.all(Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? a : b).take(user, 5)));
    expect(taken.filter(Boolean)).toHaveLength(5);
  });

  it('frees the places of a node that died, and not those of one that lives', async () => {
    const [dead, living, user, other] = [node(300), node(300), newUser(), newUser()];
    await living.start();
    expect([await dead.take(user, 1), await living.take(other, 1)]).toEqual([true, true]);
    expect(await living.take(user, 1)).toBe(false);
    await until(() => living.take(user, 1));
    expect(await dead.take(other, 1)).toBe(false);
    expect(await living.take(other, 1)).toBe(false);
  });

  it('frees them also where others of the user are held elsewhere', async () => {
    const [dead, living, user] = [node(300), node(300), newUser()];
    await living.start();
    expect([await dead.take(user, 2), await living.take(user, 2), await living.take(user, 2)]).toEqual([
      true,
      true,
      false,
    ]);
    await until(() => living.take(user, 2));
    expect(await living.take(user, 2)).toBe(false);
  });

  it('leaves nothing behind', async () => {
    const [counter, user] = [node(), newUser()];
    for (let i = 0; i < 5; i++) await counter.take(user, 5);
    expect(await redis.keys(`test:connections:*${user}`)).toHaveLength(1);
    await counter.stop();
    await until(async () => (await redis.keys(`test:connections:*${user}`)).length === 0);
  });

  it('counts on each node by itself while Redis is away, and together again once it is back', async () => {
    const log = new ListLog();
    const [a, b, user] = [node(60_000, log), node(60_000, log), newUser()];
    expect([await a.take(user, 2), await b.take(user, 2)]).toEqual([true, true]);
    await server.kill();
    expect([await a.take(user, 2), await a.take(user, 2)]).toEqual([true, false]);
    await a.confirm();
    await server.restart();
    await until(async () => redis.ping().then(Boolean, () => false));
    await Promise.all([a.confirm(), b.confirm()]);
    expect(await b.take(user, 3)).toBe(false);
    expect(await b.take(user, 4)).toBe(true);
    expect(log.lines.map(({ message }) => message)).toEqual([
      'connections of users are counted on each node by itself',
      'connections of users are counted over all nodes again',
    ]);
  });

  it('confirms thousands in few commands', async () => {
    const counter = node();
    const many = Array.from({ length: 2000 }, newUser);
    await Promise.all(many.map((user) => counter.take(user, 3)));
    const client = server.client();
    await client.config('RESETSTAT');
    await counter.confirm();
    const stats = await client.info('commandstats');
    client.disconnect();
    const calls = [...stats.matchAll(/cmdstat_eval(?:sha)?:calls=(\d+)/g)].reduce((sum, m) => sum + Number(m[1]), 0);
    expect(calls).toBeLessThanOrEqual(128);
  });
});

describe('connections counted in a Redis Cluster', () => {
  it('confirms users of all slots', async () => {
    const servers = await RedisClusterServers.start();
    const redis = createRedis(servers.url, { name: 'test', log: silentLog });
    const create = (name: string, placeMs: number) =>
      new RedisConnectionCounter({ redis, prefix: 'test:', node: name, clock: systemClock, log: silentLog, placeMs });
    try {
      await until(async () => redis.set('ready', '1').then(Boolean, () => false));
      const [a, b] = [create('a', 60_000), create('b', 60_000)];
      const many = Array.from({ length: 300 }, newUser);
      await Promise.all(many.map((user) => a.take(user, 1)));
      await a.confirm();
      expect((await Promise.all(many.map((user) => b.take(user, 1)))).filter(Boolean)).toEqual([]);
      await a.stop();
      await until(() => b.take(many[0] ?? '', 1));
    } finally {
      closeRedis(redis);
      await servers.stop();
    }
  });
});
