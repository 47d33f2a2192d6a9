import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/kit/clock.js';
import { UserFeeds } from '../../src/signals/feed.js';
import type { HintListener, SignalHints } from '../../src/signals/hints.js';
import { RedisSignals } from '../../src/signals/redis/redis-signals.js';
import type { StoredSignal } from '../../src/signals/signal.js';
import { Signals } from '../../src/signals/signals.js';
import { SignalStore } from '../../src/signals/store.js';
import { Lines, until } from '../bus/redis-bus.js';
import { RedisClusterServers, RedisServer } from '../support/redis.js';
import { Recorder } from './recorder.js';
import { SignalsDatabase, signalFor } from './support.js';

let database: SignalsDatabase;
let redis: RedisServer;
const nodes: Node[] = [];
beforeAll(async () => {
  [database, redis] = await Promise.all([SignalsDatabase.start('PostgreSQL'), RedisServer.start()]);
});
afterEach(async () => {
  redis.thaw();
  await Promise.all(nodes.splice(0).map((node) => node.stop()));
  await redis.cli('FLUSHALL');
});
afterAll(async () => {
  await database?.stop();
  await redis?.stop();
});

/** What a server has of signals. */
class Node {
  readonly redis: RedisSignals;
  readonly store: SignalStore;
  readonly signals: Signals;
  readonly feed: UserFeeds;
  readonly log = new Lines();

  private constructor(url: string, prefix: string, hints: (own: RedisSignals) => SignalHints, pollMs: number) {
    const common = { clock: systemClock, log: this.log };
    this.redis = new RedisSignals({ url, prefix, ...common });
    this.store = new SignalStore(database.pool(), systemClock);
    this.signals = new Signals({ store: this.store, hints: this.redis, cache: this.redis });
    this.feed = new UserFeeds({ store: this.store, hints: hints(this.redis), pollMs, ...common });
  }

  static async start({
    url = redis.url,
    prefix = 'a:',
    hints = (own: RedisSignals): SignalHints => own,
    pollMs = 3_600_000,
  } = {}): Promise<Node> {
    const node = new Node(url, prefix, hints, pollMs);
    nodes.push(node);
    await node.redis.start();
    await node.feed.start();
    await until(() => node.redis.up);
    return node;
  }

  async stop(): Promise<void> {
    await this.feed.stop();
    await this.redis.stop();
  }
}

/** Loses some of what it hears, and shuffles the rest. */
class Lossy implements SignalHints {
  #held: (() => void)[] = [];
  #heard = 0;
  constructor(readonly inner: SignalHints) {}

  publish(signals: readonly StoredSignal[]): void {
    this.inner.publish(signals);
  }
  subscribe(userId: string): Promise<void> {
    return this.inner.subscribe(userId);
  }
  unsubscribe(userId: string): void {
    this.inner.unsubscribe(userId);
  }
  onHint(listener: HintListener): () => void {
    return this.inner.onHint((hint) => {
      this.#heard++;
      if (this.#heard % 3 === 0) return;
      this.#held.push(() => listener(hint));
      if (this.#held.length < 4) return;
      for (const hear of this.#held.splice(0).reverse()) hear();
    });
  }
  get up(): boolean {
    return this.inner.up;
  }
  onUp(listener: (up: boolean) => void): () => void {
    return this.inner.onUp(listener);
  }
}

/** A seeded choice, so that a failure can be had again. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Batches for random users, published by the nodes in turn, four at a time. @returns ids by user, in the order of their places */
async function publishAll(
  from: readonly Node[],
  users: readonly string[],
  batches: number,
  between: (done: number) => Promise<void>,
) {
  const choose = random(7);
  const stored: StoredSignal[] = [];
  for (let i = 0; i < batches; i += 4) {
    const some = Array.from({ length: 4 }, () =>
      Array.from({ length: 1 + choose(60) }, () => signalFor(users[choose(users.length)] ?? '')),
    );
    const written = await Promise.all(some.map((batch, at) => from[at % from.length]?.signals.publish(batch)));
    stored.push(...written.flatMap((one) => one?.stored ?? []));
    await between(i);
  }
  stored.sort((a, b) => a.seq - b.seq);
  const ids = new Map(users.map((user) => [user, [] as string[]]));
  for (const { userId, id } of stored) ids.get(userId)?.push(id);
  return ids;
}

async function assertExact(recorders: readonly Recorder[], ids: ReadonlyMap<string, string[]>): Promise<void> {
  await Promise.all(recorders.map((recorder) => recorder.reached(ids.get(recorder.userId)?.length ?? 0)));
  for (const recorder of recorders) {
    expect(recorder.ids).toEqual(ids.get(recorder.userId));
    expect(recorder.news.map(({ prev }) => prev)).toEqual(recorder.seqs.map((seq) => seq - 1));
    expect(recorder.news.every(({ signal }) => signal.userId === recorder.userId)).toBe(true);
  }
}

const follow = (node: Node | undefined, users: readonly string[]) =>
  Promise.all(users.map((user) => Recorder.follow((node as Node).feed, user)));

describe('two nodes that publish and two that follow', () => {
  it('1,000 users: each follower gets exactly its own, in order, once', async () => {
    const users = await database.users(1000);
    const [a, b, c, d] = await Promise.all([Node.start(), Node.start(), Node.start(), Node.start()]);
    const recorders = [...(await follow(c, users)), ...(await follow(d, users.slice(0, 300)))];
    const ids = await publishAll([a, b], users, 160, async () => {});
    await assertExact(recorders, ids);
  });

  it('hints that are lost and shuffled', async () => {
    const users = await database.users(50);
    const [a, b] = await Promise.all([Node.start(), Node.start()]);
    const c = await Node.start({ hints: (own) => new Lossy(own), pollMs: 50 });
    const recorders = await follow(c, users);
    await assertExact(recorders, await publishAll([a, b], users, 60, async () => {}));
  });

  it('connections that are killed all the time', async () => {
    const users = await database.users(100);
    const [a, b, c] = await Promise.all([Node.start(), Node.start(), Node.start({ pollMs: 1000 })]);
    const recorders = await follow(c, users);
    const killer = redis.client();
    const ids = await publishAll([a, b], users, 80, async (done) => {
      await killer.call('CLIENT', 'KILL', 'TYPE', done % 8 === 0 ? 'normal' : 'pubsub');
    });
    killer.disconnect();
    await assertExact(recorders, ids);
  });

  it('a Redis that is killed and comes back empty', async () => {
    const users = await database.users(100);
    const [a, b, c] = await Promise.all([Node.start(), Node.start(), Node.start({ pollMs: 1000 })]);
    const recorders = await follow(c, users);
    const late = users[0] ?? '';
    const ids = await publishAll([a, b], users, 60, async (done) => {
      if (done === 12) await redis.kill();
      if (done === 16) await until(() => !c.feed.up);
      if (done === 20) recorders.push(await Recorder.follow(c.feed, late));
      if (done === 40) await redis.restart();
    });
    const missedByLate = (recorders.at(-1)?.start.seq ?? 0) > 0;
    const second = recorders.pop();
    await assertExact(recorders, ids);
    await second?.reached(ids.get(late)?.length ?? 0);
    expect(second?.ids).toEqual(ids.get(late)?.slice(second?.start.seq));
    expect(missedByLate).toBe(true);
    await until(() => a.redis.up && c.feed.up);
    const { stored } = await a.signals.publish([signalFor(late)]);
    await recorders[0]?.reached(stored[0]?.seq ?? 0);
    expect(recorders[0]?.ids.at(-1)).toBe(stored[0]?.id);
  });

  it('a Redis that is frozen: signals arrive all the same', async () => {
    const user = await database.user();
    const [a, b] = await Promise.all([Node.start(), Node.start()]);
    const recorder = await Recorder.follow(b.feed, user);
    redis.freeze();
    await a.signals.publish([signalFor(user)]);
    await recorder.reached(1);
    redis.thaw();
    await until(() => a.redis.up && b.redis.up);
    await a.signals.publish([signalFor(user)]);
    await recorder.reached(2);
    expect(recorder.seqs).toEqual([1, 2]);
  });
});

it('messages of somebody else on a channel are counted, not delivered', async () => {
  const [user = '', other = ''] = await database.users(2);
  const node = await Node.start();
  const recorder = await Recorder.follow(node.feed, user);
  const { stored } = await node.store.insert([signalFor(other)]);
  const client = redis.client();
  const channel = `a:signals:live:${user}`;
  const foreign = [
    '',
    'x',
    '[]',
    '{}',
    JSON.stringify({ userId: user, seq: 1, signals: stored }),
    JSON.stringify({ userId: other, seq: 9, signals: [] }),
  ];
  for (const text of foreign) expect(await client.publish(channel, text)).toBe(1);
  client.disconnect();
  await until(() => node.redis.stats.foreign === foreign.length);
  expect([recorder.positions, node.redis.stats.received]).toEqual([[], 0]);
});

it('large signals are told of without what they hold', async () => {
  const user = await database.user();
  const [a, b] = await Promise.all([Node.start(), Node.start()]);
  const recorder = await Recorder.follow(b.feed, user);
  const { stored } = await a.signals.publish(
    Array.from({ length: 30 }, () => signalFor(user, { data: { text: 'é'.repeat(4000) } })),
  );
  await recorder.reached(30);
  expect(recorder.news.map(({ signal }) => signal)).toEqual(stored);
});

it('prefixes part clusters', async () => {
  const user = await database.user();
  const [a, b] = await Promise.all([Node.start({ prefix: 'a:' }), Node.start({ prefix: 'b:' })]);
  await Recorder.follow(a.feed, user);
  await Recorder.follow(b.feed, user);
  await a.signals.publish([signalFor(user)]);
  await until(() => a.redis.stats.received === 1);
  expect(b.redis.stats.received).toBe(0);
});

describe('signals:{user_id}', () => {
  const ALL = { before: null, limit: 100, unread: false, symbol: null };

  async function cached(user: string) {
    const client = redis.client();
    const text = await client.get(`a:signals:${user}`);
    client.disconnect();
    return text === null ? null : JSON.parse(text);
  }

  it('holds the latest 50, the newest first, as REST lists them', async () => {
    const user = await database.user();
    const node = await Node.start();
    for (const count of [1, 20, 28, 1, 1, 70, 3]) {
      const batch = Array.from({ length: count }, () => signalFor(user, { data: { text: 'a\n"],[{"seq":1,\u2028' } }));
      await node.signals.publish(batch);
      const { signals } = await node.store.list(user, ALL).then((list) => ({ signals: list.slice(0, 50) }));
      await until(async () => (await cached(user))?.[0]?.seq === signals[0]?.seq);
      const listed = (await cached(user)).map(({ id, readAt }: { id: string; readAt: null }) => [id, readAt]);
      expect(listed).toEqual(signals.map(({ id }) => [id, null]));
    }
  });

  it('is written anew by a list where something was missed, and goes with what changes', async () => {
    const user = await database.user();
    const node = await Node.start();
    const { stored } = await node.store.insert([signalFor(user), signalFor(user)]);
    await node.signals.publish([signalFor(user)]);
    const { signals } = await node.signals.list(user, ALL);
    await until(async () => (await cached(user)) !== null);
    expect(await cached(user)).toEqual(signals);
    await node.signals.markRead(user, stored[0]?.id ?? '');
    await until(async () => (await cached(user)) === null);
    await node.signals.list(user, ALL);
    await until(async () => (await cached(user)) !== null);
    node.signals.forget(user);
    await until(async () => (await cached(user)) === null);
  });

  it('answers while PostgreSQL does not, and says that it may be old', async () => {
    const user = await database.user();
    const node = await Node.start();
    await node.signals.publish([signalFor(user), signalFor(user)]);
    await until(async () => (await cached(user)) !== null);
    const sql = {
      query: async () => {
        throw new Error('no answer');
      },
    };
    const away = new Signals({ store: new SignalStore(sql, systemClock), hints: node.redis, cache: node.redis });
    const { signals, stale } = await away.list(user, ALL);
    expect([signals.map(({ seq }) => seq), stale]).toEqual([[2, 1], true]);
    await expect(away.list(user, { ...ALL, unread: true })).rejects.toThrow('no answer');
  });

  it('of users who are gone goes when Redis is back', async () => {
    const kept = await RedisServer.start({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
    const node = await Node.start({ url: kept.url });
    const [gone = '', stays = ''] = await database.users(2);
    const keys = async () =>
      (await kept.cli('KEYS', 'a:signals:*'))
        .split('\n')
        .filter((key) => key !== '')
        .sort();
    const { stored } = await node.store.insert([signalFor(gone), signalFor(stays)]);
    for (const one of stored) node.redis.keep(one.userId, [one]);
    await until(async () => (await keys()).length === 2);
    await kept.kill();
    await until(() => !node.redis.up);
    node.signals.forget(gone);
    await kept.restart();
    expect(await keys()).toHaveLength(2);
    await until(async () => (await keys()).length === 1);
    expect([await keys(), node.redis.overdue.size, node.redis.overdue.leftUndone]).toEqual([
      [`a:signals:${stays}`],
      0,
      0,
    ]);
    await node.redis.stop();
    await kept.stop();
  });
});

it('a Redis Cluster', async () => {
  const servers = await RedisClusterServers.start();
  try {
    const users = await database.users(60);
    const [a, b] = await Promise.all([Node.start({ url: servers.url }), Node.start({ url: servers.url })]);
    const recorders = await follow(b, users);
    const ids = await publishAll([a], users, 20, async () => {});
    await assertExact(recorders, ids);
    expect(b.redis.stats.received).toBeGreaterThan(0);
  } finally {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
    await servers.stop();
  }
});
