import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UserError } from '../../src/kit/errors.js';
import { RedisServer } from '../support/redis.js';
import { LEASE, makeSteady, Nodes, PARTITIONS } from './nodes.js';

let redis: RedisServer;
let nodes: Nodes;
beforeEach(async () => {
  redis = await RedisServer.start();
  nodes = new Nodes(redis.url);
  await makeSteady(redis.url);
});
afterEach(async () => {
  await nodes.stop();
  await redis.stop();
  expect(nodes.ledger.violations).toEqual([]);
});

/** Long enough for whoever would take what looks free to have taken it. */
const STEADY_BEATS = (2 * (LEASE.leaseMs + LEASE.beatMs)) / LEASE.beatMs;

describe('Redis', () => {
  it('frozen for longer than every lease: the owners keep theirs, and a node without Redis says so', async () => {
    const [a, b] = await Promise.all([nodes.add('a'), nodes.add('b')]);
    await nodes.balanced(a, b);
    const before = nodes.ledger.entries.length;
    redis.freeze();
    await nodes.ledger.until(() => a.ownership.notReady().length > 0 && b.ownership.notReady().length > 0);
    expect(a.ownership.notReady()).toEqual([expect.stringMatching(/^Redis does not answer/)]);
    await delay(2 * LEASE.leaseMs);
    await nodes.ledger.until(() => a.owned.length + b.owned.length === PARTITIONS.length);
    a.clock.halt();
    redis.thaw();
    await b.beats(5);
    a.clock.resume();
    await Promise.all([a.beats(STEADY_BEATS), b.beats(STEADY_BEATS)]);
    expect(nodes.ledger.entries.slice(before)).toEqual([]);
    expect([a.ownership.notReady(), a.owned.length + b.owned.length]).toEqual([[], PARTITIONS.length]);
  });

  it('killed and restarted empty: a fresh node that comes back first takes nothing of the owner', async () => {
    const a = await nodes.add('a');
    await nodes.balanced(a);
    const before = nodes.ledger.entries.length;
    a.clock.halt();
    await redis.kill();
    await redis.restart();
    const c = await nodes.add('c', { take: async (partition) => nodes.ledger.take('c', partition) });
    await c.beats(5);
    a.clock.resume();
    await nodes.balanced(a, c);
    expect(nodes.ledger.drops('lost')).toEqual([]);
    expect(nodes.ledger.entries.slice(before).filter(({ what }) => what === 'drop')).toHaveLength(3);
    expect(nodes.ledger.drops('handover')).toHaveLength(3);
  });

  it('emptied while everybody is there: nothing changes hands', async () => {
    const [a, b] = await Promise.all([nodes.add('a'), nodes.add('b')]);
    await nodes.balanced(a, b);
    const before = nodes.ledger.entries.length;
    await redis.cli('FLUSHALL');
    await Promise.all([a.beats(STEADY_BEATS), b.beats(STEADY_BEATS)]);
    expect(nodes.ledger.entries.slice(before)).toEqual([]);
  });

  it('away at the start: a node starts, and takes its share when Redis comes', async () => {
    await redis.kill();
    const a = await nodes.add('a');
    expect(a.ownership.notReady()).toEqual([expect.stringMatching(/^Redis does not answer/)]);
    await redis.restart();
    await nodes.balanced(a);
    expect(a.ownership.notReady()).toEqual([]);
  });

  it('out of reach of the owner alone: another takes over, and the owner drops what it lost when it is back', async () => {
    const a = await nodes.add('a');
    await nodes.balanced(a);
    nodes.ledger.cutOff('a');
    a.redis.disconnect();
    const b = await nodes.add('b');
    await nodes.balanced(b);
    expect(nodes.ledger.heldBy('a')).toHaveLength(PARTITIONS.length);
    await a.redis.connect();
    await nodes.ledger.until(() => nodes.ledger.heldBy('a').length === 0);
    expect(nodes.ledger.drops('lost').sort()).toEqual(PARTITIONS);
    nodes.ledger.back('a');
    await nodes.balanced(a, b);
  });

  it('full: the owner keeps its partitions, and renews them when there is room again', async () => {
    const a = await nodes.add('a');
    await nodes.balanced(a);
    await redis.cli('CONFIG', 'SET', 'maxmemory', '1');
    await nodes.ledger.until(() => a.ownership.notReady().length > 0);
    expect(a.ownership.notReady()).toEqual([expect.stringMatching(/OOM/)]);
    await delay(2 * LEASE.leaseMs);
    await redis.cli('CONFIG', 'SET', 'maxmemory', '0');
    await a.beats(STEADY_BEATS);
    expect(nodes.ledger.entries.filter(({ what }) => what === 'drop')).toEqual([]);
    expect(a.owned).toHaveLength(PARTITIONS.length);
  });

  it.each([
    ['a command', '+evalsha|+eval|+ping|+info|+client', '~*'],
    ['the keys', '+@all', '~other:*'],
  ])('that does not permit %s refuses the start in words', async (_, commands, keys) => {
    await redis.cli('ACL', 'SETUSER', 'limited', 'on', '>secret', ...commands.split('|'), keys, '&*');
    const limited = new Nodes(redis.url.replace('redis://', 'redis://limited:secret@'));
    const error = await limited.add('a').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toMatch(/^REDIS_URL: Redis refuses what the cluster needs.*Allow it in the ACL/);
    for (const node of limited.all) node.die();
  });
});
