import { describe, expect, test } from 'vitest';
import { leaseKey } from '../../src/cluster/leases.js';
import { RELEASE, type ScriptClient } from '../../src/cluster/scripts.js';
import { closeRedis } from '../../src/kit/redis.js';
import { RedisServer } from '../support/redis.js';
import { connect, LEASE, makeSteady, Nodes, PARTITIONS } from './nodes.js';

/** So long that only what is given back can change hands. */
const LONG = { leaseMs: 60_000, beatMs: 50 };

interface Ground {
  readonly redis: RedisServer;
  readonly nodes: Nodes;
}

/** Each on a Redis of its own; what they wait for is time, so several wait at once. */
const it = test.extend<Ground>({
  // biome-ignore lint/correctness/noEmptyPattern: how vitest is told that nothing is asked for
  redis: async ({}, use) => {
    const redis = await RedisServer.start();
    await use(redis);
    await redis.stop();
  },
  nodes: async ({ redis }, use) => {
    const nodes = new Nodes(redis.url);
    await use(nodes);
    await nodes.stop();
    expect(nodes.ledger.violations).toEqual([]);
  },
});

describe.concurrent('shares', () => {
  it('a first node waits for owners that may come back, then takes all', async ({ nodes }) => {
    const began = performance.now();
    const a = await nodes.add('a');
    await nodes.balanced(a);
    expect(performance.now() - began).toBeGreaterThan(LEASE.leaseMs);
    expect(a.ownership.stats()).toMatchObject({ takeovers: 6, losses: 0, handovers: 0, failures: 0 });
  });

  it('nodes that come later are given theirs; nobody takes what another has', async ({ redis, nodes }) => {
    await makeSteady(redis.url);
    const a = await nodes.add('a');
    await nodes.balanced(a);
    const b = await nodes.add('b');
    await nodes.balanced(a, b);
    const c = await nodes.add('c');
    await nodes.balanced(a, b, c);
    expect(nodes.ledger.drops('lost')).toEqual([]);
    expect(nodes.ledger.drops('handover')).toHaveLength(5);
    await a.beats(2);
    expect(
      a.ownership
        .nodes()
        .map(({ id }) => id)
        .sort(),
    ).toEqual(['a', 'b', 'c']);
  });

  it('more nodes than partitions: some own nothing, which is no fault', async ({ redis, nodes }) => {
    await makeSteady(redis.url);
    const all = await Promise.all(Array.from({ length: 8 }, (_, i) => nodes.add(`n${i}`)));
    await nodes.balanced(...all);
    expect(all.flatMap(({ ownership }) => ownership.notReady())).toEqual([]);
  });

  it('takes at most four at once', async ({ redis, nodes }) => {
    await makeSteady(redis.url);
    let under = 0;
    let most = 0;
    const a = await nodes.add('a', {
      ...LONG,
      take: async (partition) => {
        most = Math.max(most, ++under);
        await a.beats(1);
        under--;
        nodes.ledger.take('a', partition);
      },
    });
    await nodes.balanced(a);
    expect(most).toBe(4);
  });
});

describe.concurrent('handing over', () => {
  it('the lease is kept until everything is flushed', async ({ redis, nodes }) => {
    await makeSteady(redis.url);
    let flush = () => {};
    const a = await nodes.add('a', {
      ...LONG,
      drop: async (partition, why) => {
        if (why === 'handover') await new Promise<void>((resolve) => (flush = resolve));
        nodes.ledger.drop('a', partition, why);
        flush = () => {};
      },
    });
    await nodes.balanced(a);
    const b = await nodes.add('b', LONG);
    await nodes.ledger.until(() => a.owned.length === 5);
    const given = PARTITIONS.find((partition) => !a.owned.includes(partition)) as string;
    await b.beats(3);
    expect(await a.redis.get(leaseKey('', given))).toBe('a');
    expect(b.owned).toEqual([]);
    await nodes.ledger.until(() => {
      flush();
      return b.owned.length === 3;
    });
    expect(nodes.ledger.entries.find(({ node }) => node === 'b')).toMatchObject({ partition: given, what: 'take' });
  });

  it('a beat does not renew the lease that is being given back', async ({ redis, nodes }) => {
    await makeSteady(redis.url);
    let open = () => {};
    const opened = new Promise<void>((resolve) => (open = resolve));
    const connection = await connect(redis.url);
    const slowToTell: ScriptClient = {
      eval: async (text, ...args) => {
        const reply = await connection.eval(text, ...args);
        if (text === RELEASE.text) await opened;
        return reply;
      },
      evalsha: async (sha, ...args) => {
        const reply = await connection.evalsha(sha, ...args);
        if (sha === RELEASE.sha) await opened;
        return reply;
      },
    };
    const a = await nodes.add('a', { ...LONG, redis: slowToTell });
    await nodes.balanced(a);
    const b = await nodes.add('b', LONG);
    b.clock.halt();
    await nodes.ledger.until(() => nodes.ledger.drops('handover').length === 1);
    await a.beats(3);
    const [given = ''] = nodes.ledger.drops('handover');
    expect(await connection.get(leaseKey('', given))).toBeNull();
    b.clock.resume();
    open();
    await nodes.balanced(a, b);
    await a.stop();
    closeRedis(connection);
  });

  it('a node that stops gives everything back at once and leaves the list', async ({ redis, nodes }) => {
    await makeSteady(redis.url);
    const a = await nodes.add('a', LONG);
    const b = await nodes.add('b', LONG);
    await nodes.balanced(a, b);
    await a.stop();
    await nodes.balanced(b);
    expect(nodes.ledger.drops('stopping')).toHaveLength(3);
    await b.beats(1);
    expect(b.ownership.nodes().map(({ id }) => id)).toEqual(['b']);
  });

  it('what a node that stops has let go is taken while it still flushes the rest', async ({ redis, nodes }) => {
    await makeSteady(redis.url);
    let flushed = () => {};
    const flushing = new Promise<void>((resolve) => (flushed = resolve));
    const a = await nodes.add('a', {
      ...LONG,
      drop: async (partition, why) => {
        if (partition === 'p5') await flushing;
        nodes.ledger.drop('a', partition, why);
      },
    });
    await nodes.balanced(a);
    const stopped = a.stop();
    await a.beats(1);
    const c = await nodes.add('c', LONG);
    await nodes.ledger.until(() => c.owned.length === 5);
    expect(nodes.ledger.ownerOf('p5')).toBe('a');
    flushed();
    await stopped;
    await nodes.balanced(c);
  });

  it('a node that stops while it takes is told so, and drops nothing that it did not take', async ({
    redis,
    nodes,
  }) => {
    await makeSteady(redis.url);
    let asked = 0;
    const a = await nodes.add('a', {
      ...LONG,
      take: (_, signal) => {
        asked++;
        nodes.ledger.changed();
        return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
      },
    });
    await nodes.ledger.until(() => asked === 4);
    await a.stop();
    const b = await nodes.add('b', LONG);
    await nodes.balanced(b);
    expect(nodes.ledger.entries.filter(({ node }) => node === 'a')).toEqual([]);
  });

  it('what was taken while it stopped is dropped', async ({ redis, nodes }) => {
    await makeSteady(redis.url);
    let go = () => {};
    const a = await nodes.add('a', {
      ...LONG,
      partitions: ['p0'],
      take: async (partition) => {
        await new Promise<void>((resolve) => {
          go = resolve;
          nodes.ledger.changed();
        });
        nodes.ledger.take('a', partition);
      },
    });
    await a.beats(1);
    const stopped = a.stop();
    go();
    await stopped;
    expect(nodes.ledger.drops('stopping')).toEqual(['p0']);
  });
});

describe.concurrent('a node that dies', () => {
  it('is replaced within 5 s', async ({ redis, nodes }) => {
    const production = { leaseMs: 2500, beatMs: 500 };
    await makeSteady(redis.url);
    const a = await nodes.add('a', production);
    const b = await nodes.add('b', production);
    await nodes.balanced(a, b);
    const died = performance.now();
    a.die();
    await nodes.balanced(b);
    expect(performance.now() - died).toBeLessThan(5000);
  });

  it('two at once are replaced by the one that is left', async ({ redis, nodes }) => {
    await makeSteady(redis.url);
    const [a, b, c] = await Promise.all([nodes.add('a'), nodes.add('b'), nodes.add('c')]);
    await nodes.balanced(a, b, c);
    a.die();
    b.die();
    await nodes.balanced(c);
  });
});

describe.concurrent('a node that stands still for longer than its lease', () => {
  it('owns nothing until Redis has told it, and drops what another took', async ({ redis, nodes }) => {
    await makeSteady(redis.url);
    const a = await nodes.add('a');
    await nodes.balanced(a);
    const b = await nodes.add('b');
    await nodes.balanced(a, b);
    const had = a.owned;
    expect(had).toHaveLength(3);
    a.freeze();
    await nodes.balanced(b);
    expect(a.owned).toEqual([]);
    a.wake();
    await nodes.ledger.until(() => nodes.ledger.drops('lost').length === 3);
    expect(nodes.ledger.drops('lost').sort()).toEqual([...had].sort());
    nodes.ledger.back('a');
    await nodes.balanced(a, b);
  });

  it('keeps what nobody took', async ({ redis, nodes }) => {
    await makeSteady(redis.url);
    const a = await nodes.add('a');
    await nodes.balanced(a);
    a.freeze();
    await waitFor(() => a.owned.length === 0);
    a.wake();
    await nodes.balanced(a);
    expect(nodes.ledger.entries.filter(({ what }) => what === 'drop')).toEqual([]);
  });

  it('does not get back what another had in between, even when that one is gone', async ({ redis, nodes }) => {
    await makeSteady(redis.url);
    const a = await nodes.add('a');
    await nodes.balanced(a);
    a.freeze();
    const b = await nodes.add('b');
    await nodes.balanced(b);
    b.die();
    await waitFor(async () => (await a.redis.get(leaseKey('', 'p0'))) === null);
    a.wake();
    await nodes.ledger.until(() => nodes.ledger.drops('lost').length === 6);
    nodes.ledger.back('a');
    await nodes.balanced(a);
    expect(a.ownership.stats()).toMatchObject({ takeovers: 12, losses: 6 });
  });
});

describe.concurrent('a partition that is lost', () => {
  it('to another in Redis is dropped', async ({ redis, nodes }) => {
    await makeSteady(redis.url);
    const a = await nodes.add('a');
    await nodes.balanced(a);
    nodes.ledger.cutOff('a');
    await a.redis.set(leaseKey('', 'p3'), 'somebody', 'PX', 60_000);
    await nodes.ledger.until(() => nodes.ledger.drops('lost').includes('p3'));
    await a.beats(2);
    expect(a.owned).toHaveLength(5);
  });

  it('by the word of the database is dropped at once and left to others', async ({ redis, nodes }) => {
    await makeSteady(redis.url);
    const a = await nodes.add('a', { partitions: ['p0'] });
    const owned = () => a.owned.length === 1;
    await nodes.ledger.until(owned);
    const told = performance.now();
    a.ownership.lost('p0');
    expect([a.owned, nodes.ledger.drops('lost')]).toEqual([[], ['p0']]);
    a.ownership.lost('p0');
    await nodes.ledger.until(owned);
    expect(performance.now() - told).toBeGreaterThan(LEASE.leaseMs);
    expect([nodes.ledger.drops('lost'), a.ownership.stats().losses]).toEqual([['p0'], 1]);
  });
});

describe.concurrent('a takeover that fails', () => {
  it('leaves the partition to a node that can', async ({ redis, nodes }) => {
    await makeSteady(redis.url);
    let failed = 0;
    const a = await nodes.add('a', {
      take: async () => {
        failed++;
        throw new Error('no database');
      },
    });
    const b = await nodes.add('b');
    await nodes.ledger.until(() => failed > 0 && b.owned.length === PARTITIONS.length);
    expect([a.owned, a.ownership.stats().takeovers]).toEqual([[], 0]);
    expect(a.ownership.stats().failedTakeovers).toBeGreaterThan(0);
  });

  it('is tried again when there is no other', async ({ redis, nodes }) => {
    await makeSteady(redis.url);
    let failures = 3;
    const a = await nodes.add('a', {
      partitions: ['p0'],
      take: async (partition) => {
        if (failures-- > 0) throw new Error('no database');
        nodes.ledger.take('a', partition);
      },
    });
    await nodes.ledger.until(() => a.owned.length === 1);
    expect(a.ownership.stats()).toMatchObject({ failedTakeovers: 3, takeovers: 1 });
  });
});

describe.concurrent('a node whose clock is off', () => {
  it('takes nothing and says so; others do', async ({ redis, nodes }) => {
    await makeSteady(redis.url);
    const a = await nodes.add('a', {}, 3_600_000);
    const b = await nodes.add('b');
    await nodes.balanced(b);
    expect(a.owned).toEqual([]);
    expect(a.ownership.notReady()).toEqual([expect.stringMatching(/clock differs from Redis' by 3(599|600)\d{3} ms/)]);
    expect([b.ownership.notReady(), Math.abs(b.ownership.skewMs) < 1000]).toEqual([[], true]);
  });

  it('takes its share once the clock is right', async ({ redis, nodes }) => {
    await makeSteady(redis.url);
    const a = await nodes.add('a', {}, -2500);
    const b = await nodes.add('b');
    await nodes.balanced(b);
    a.clock.offMs = 0;
    await nodes.balanced(a, b);
    expect(a.ownership.notReady()).toEqual([]);
  });

  it('keeps what it owns when the clock goes wrong', async ({ redis, nodes }) => {
    await makeSteady(redis.url);
    const a = await nodes.add('a');
    await nodes.balanced(a);
    a.clock.offMs = -3000;
    await a.beats(2);
    expect([a.owned.length, a.ownership.notReady().length]).toEqual([6, 1]);
  });
});

async function waitFor(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}
