import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { requireSameCluster } from '../../src/cluster/identity.js';
import { clusterKey, Leases, leaseKey } from '../../src/cluster/leases.js';
import { UserError } from '../../src/kit/errors.js';
import { closeRedis, type RedisClient } from '../../src/kit/redis.js';
import { RedisClusterServers, RedisServer } from '../support/redis.js';
import { connect } from './nodes.js';

const PARTITIONS = ['p0', 'p1'];
const NONE = new Set<string>();
const ALL = new Set(PARTITIONS);

let server: RedisServer;
let redis: RedisClient;
beforeAll(async () => {
  server = await RedisServer.start();
  redis = await connect(server.url);
});
beforeEach(() => redis.flushall());
afterAll(async () => {
  closeRedis(redis);
  await server.stop();
});

const info = (id: string) => ({ id, roles: ['ingest'], address: 'x:1', startedAt: 1, wants: PARTITIONS });

function leasesOf(node: string, steadyMs = 0, prefix = ''): Leases {
  return new Leases({ redis, prefix, node, partitions: PARTITIONS, leaseMs: 30_000, steadyMs });
}

describe('a lease', () => {
  it('is its first taker’s until it is given back; only its holder can', async () => {
    const [a, b] = [leasesOf('a'), leasesOf('b')];
    await a.beat(info('a'), NONE);
    expect([await a.acquire('p0'), await b.acquire('p0'), await a.acquire('p0')]).toEqual(['a', 'a', 'a']);
    await b.release('p0');
    expect(await b.acquire('p0')).toBe('a');
    await a.release('p0');
    expect(await b.acquire('p0')).toBe('b');
  });

  it('cannot be taken before Redis has been there long enough', async () => {
    const a = leasesOf('a', 60_000);
    expect(await a.acquire('p0')).toBeNull();
    await a.beat(info('a'), NONE);
    expect(await a.acquire('p0')).toBeNull();
    await redis.set(clusterKey('', 'since'), '1');
    expect(await a.acquire('p0')).toBe('a');
  });

  it('cannot be taken at once after nobody could beat for as long as a lease', async () => {
    const a = new Leases({ redis, prefix: '', node: 'a', partitions: PARTITIONS, leaseMs: 20, steadyMs: 60_000 });
    await redis.set(clusterKey('', 'since'), '1');
    expect((await a.beat(info('a'), NONE)).steadyMs).toBeGreaterThan(60_000);
    while ((await redis.exists(clusterKey('', 'since'))) === 1);
    expect([await a.acquire('p0'), (await a.beat(info('a'), NONE)).steadyMs]).toEqual([null, 0]);
  });

  it('is renewed by its holder’s beat, and by no other’s', async () => {
    const [a, b] = [leasesOf('a'), leasesOf('b')];
    await a.beat(info('a'), NONE);
    await a.acquire('p0');
    await redis.pexpire(leaseKey('', 'p0'), 5000);
    await b.beat(info('b'), ALL);
    expect(await redis.pttl(leaseKey('', 'p0'))).toBeLessThanOrEqual(5000);
    expect((await a.beat(info('a'), ALL)).holders).toEqual(
      new Map([
        ['p0', 'a'],
        ['p1', 'b'],
      ]),
    );
    expect(await redis.pttl(leaseKey('', 'p0'))).toBeGreaterThan(5000);
  });

  it('that is gone is made anew for who held it, unless another had it since', async () => {
    const [a, b] = [leasesOf('a'), leasesOf('b')];
    await a.beat(info('a'), NONE);
    await a.acquire('p0');
    await redis.flushall();
    expect((await a.beat(info('a'), new Set(['p0']))).holders.get('p0')).toBe('a');
    await redis.del(leaseKey('', 'p0'));
    await b.acquire('p0');
    await redis.del(leaseKey('', 'p0'));
    expect((await a.beat(info('a'), new Set(['p0']))).holders.get('p0')).toBeUndefined();
  });

  it('expires, and the node before it', async () => {
    const a = leasesOf('a');
    await a.beat(info('a'), ALL);
    const [node = ''] = await redis.hvals(clusterKey('', 'nodes'));
    const lease = await redis.pexpiretime(leaseKey('', 'p0'));
    expect(lease - Number(node.split(' ')[0])).toBeGreaterThanOrEqual(0);
  });
});

describe('the list of nodes', () => {
  it('has those that live, as they described themselves, and Redis’ time', async () => {
    await leasesOf('a').beat({ ...info('a'), spoolBehind: 7, version: 'x' }, NONE);
    const beat = await leasesOf('b').beat(info('b'), NONE);
    expect(beat.nodes).toEqual([
      { ...info('a'), spoolBehind: 7, version: 'x' },
      { ...info('b'), spoolBehind: 0 },
    ]);
    const [seconds] = await redis.time();
    expect(Math.abs(beat.redisTimeMs / 1000 - Number(seconds))).toBeLessThan(60);
  });

  it('forgets who is silent or has left, and what no node wrote', async () => {
    await redis.hset(clusterKey('', 'nodes'), { dead: `1 ${JSON.stringify(info('dead'))}`, junk: 'junk', empty: '' });
    await redis.hset(clusterKey('', 'nodes'), {
      odd: '9999999999999 {"id":',
      other: `9999999999999 ${JSON.stringify(info('x'))}`,
    });
    const a = leasesOf('a');
    expect((await a.beat(info('a'), NONE)).nodes.map(({ id }) => id)).toEqual(['a']);
    expect((await redis.hkeys(clusterKey('', 'nodes'))).sort()).toEqual(['a', 'odd', 'other']);
    await a.leave();
    expect((await leasesOf('b').beat(info('b'), NONE)).nodes.map(({ id }) => id)).toEqual(['b']);
  });

  it('and leases of two prefixes have nothing to do with each other', async () => {
    const [a, b] = [leasesOf('a', 0, 'one:'), leasesOf('b', 0, 'two:')];
    await a.beat(info('a'), ALL);
    const beat = await b.beat(info('b'), ALL);
    expect([beat.nodes.map(({ id }) => id), beat.holders.get('p0')]).toEqual([['b'], 'b']);
  });
});

describe('the identity of a cluster', () => {
  it('is its database’s; another one is told what to do', async () => {
    await requireSameCluster(redis, 'x:', 1_700_000_000);
    await requireSameCluster(redis, 'x:', 1_700_000_000);
    await requireSameCluster(redis, 'y:', 1_800_000_000);
    const error = await requireSameCluster(redis, 'x:', 1_800_000_000).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toMatch(
      /^REDIS_PREFIX: .*prefix "x:" by a cluster with another database \(created 2023-11-14T22:13:20Z, ours 2027.*DEL "x:\{cluster\}:id"/,
    );
  });
});

describe('a Redis Cluster', () => {
  it('holds all of it on one node', async () => {
    const clustered = await RedisClusterServers.start();
    const client = await connect(clustered.url);
    const a = new Leases({
      redis: client,
      prefix: 'x:',
      node: 'a',
      partitions: PARTITIONS,
      leaseMs: 30_000,
      steadyMs: 0,
    });
    await a.beat(info('a'), NONE);
    expect(await a.acquire('p0')).toBe('a');
    expect((await a.beat(info('a'), new Set(['p0']))).holders).toEqual(new Map([['p0', 'a']]));
    await a.release('p0');
    await a.leave();
    await requireSameCluster(client, 'x:', 1);
    closeRedis(client);
    await clustered.stop();
  });
});
