import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newSignalId } from '../../src/signals/ids.js';
import type { NewSignal } from '../../src/signals/signal.js';
import { KeyReused, type ListQuery, type RequestKey, SignalStore } from '../../src/signals/store.js';
import { ManualClock } from '../feed/manual-clock.js';
import { type Engine, SignalsDatabase, signalFor } from './support.js';

const DAY_MS = 86_400_000;
const NOON = Date.UTC(2026, 2, 1, 12);
const ALL: ListQuery = { before: null, limit: 100, unread: false, symbol: null };
const engines: Engine[] = ['PostgreSQL', 'embedded'];

describe.each(engines)('signals in %s', (engine) => {
  let database: SignalsDatabase;
  let clock: ManualClock;
  let store: SignalStore;
  beforeAll(async () => {
    database = await SignalsDatabase.start(engine);
    clock = new ManualClock(NOON);
    store = new SignalStore(database.sql, clock);
  });
  afterAll(() => database?.stop());

  const seqs = async (userId: string) => (await store.since(userId, 0, 1000)).map(({ seq }) => seq);
  const keyOf = (publisherId: string, key: string, body: string): RequestKey => ({
    publisherId,
    key,
    bodyHash: createHash('sha256').update(body).digest(),
  });

  it('places each user’s signals in the order of the batch, and reads back what was written', async () => {
    const [a = '', b = ''] = await database.users(2);
    const full: Partial<NewSignal> = {
      data: { text: 'é\u2028"\\ {}, NULL', list: [1, 2.5, null, { deep: true }], huge: 1e300 },
      expiresAt: NOON + 1500,
      source: 'rule',
      ruleId: newSignalId(),
      publisherId: a,
      corrects: newSignalId(),
    };
    const batch = [signalFor(b), signalFor(a, full), signalFor(b, { data: null }), signalFor(a)];
    const { stored, refused, replayed } = await store.insert(batch);
    expect(stored.map(({ userId, seq }) => [userId, seq])).toEqual([
      [b, 1],
      [a, 1],
      [b, 2],
      [a, 2],
    ]);
    expect([refused, replayed]).toEqual([[], false]);
    expect(await store.since(a, 0, 10)).toEqual(stored.filter(({ userId }) => userId === a));
    expect(await store.since(b, 0, 10)).toEqual(stored.filter(({ userId }) => userId === b));
    expect(stored[1]).toEqual({ ...batch[1], dailyLimit: undefined, seq: 1, createdAt: NOON, readAt: null });
    expect(await store.heads([a, b, newSignalId()])).toEqual(
      new Map([
        [a, 2],
        [b, 2],
      ]),
    );
  });

  it('created_at holds UTC, whatever the time zone of the session', async () => {
    const user = await database.user();
    await store.insert([signalFor(user)]);
    const { rows } = await database.sql.query<{ text: string }>(
      'SELECT created_at::text AS text FROM signals WHERE user_id = $1',
      [user],
    );
    expect(rows[0]?.text).toBe('2026-03-01 12:00:00');
  });

  it('users that do not exist are refused, the others get theirs', async () => {
    const user = await database.user();
    const nobody = newSignalId();
    const { stored, refused } = await store.insert([signalFor(nobody), signalFor(user), signalFor(nobody)]);
    expect(stored.map(({ seq }) => seq)).toEqual([1]);
    expect(refused.map(({ userId, reason }) => [userId, reason])).toEqual([
      [nobody, 'unknown_user'],
      [nobody, 'unknown_user'],
    ]);
  });

  it('calls at the same time succeed and fail each by itself', async () => {
    const user = await database.user();
    const bad = signalFor(user, { type: 'x'.repeat(51) });
    const calls = [[signalFor(user)], [bad], [signalFor(user), signalFor(user)], [signalFor(user, { id: bad.id })]];
    const settled = await Promise.allSettled([...calls, ...calls.slice(0, 1)].map((batch) => store.insert(batch)));
    expect(settled.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
      'rejected',
    ]);
    expect(await seqs(user)).toEqual([1, 2, 3, 4]);
  });

  it('many small calls at once', async () => {
    const users = await database.users(7);
    const calls = Array.from({ length: 300 }, (_, i) => store.insert([signalFor(users[i % 7] ?? '')]));
    const places = (await Promise.all(calls)).map(({ stored }) => `${stored[0]?.userId} ${stored[0]?.seq}`);
    expect(new Set(places).size).toBe(300);
    for (const user of users) expect((await seqs(user)).at(-1)).toBe((await seqs(user)).length);
  });

  it('a request that is sent again is answered the same and written once', async () => {
    const [publisher = '', user = ''] = await database.users(2);
    const batch = () => [signalFor(user), signalFor(newSignalId()), signalFor(user, { dailyLimit: 1 })];
    const key = keyOf(publisher, 'k1', 'body');
    const first = await store.insert(batch(), key);
    expect(first.stored.map(({ seq }) => seq)).toEqual([1]);
    expect(first.refused.map(({ reason }) => reason)).toEqual(['unknown_user', 'daily_limit']);
    await clock.jump(clock.now() + 1000);
    const again = await store.insert(batch(), key);
    const ids = (list: typeof first.refused) => list.map(({ id, reason }) => [id, reason]);
    expect(again.stored).toEqual(first.stored);
    expect(ids(again.refused)).toEqual(ids(first.refused));
    expect([first.replayed, again.replayed]).toEqual([false, true]);
    expect(await seqs(user)).toEqual([1]);
    await expect(store.insert(batch(), keyOf(publisher, 'k1', 'other'))).rejects.toThrow(KeyReused);
    const other = await store.insert([signalFor(user)], keyOf(user, 'k1', 'other'));
    expect(other.replayed).toBe(false);
  });

  it('many requests are sent again, among new ones and one that is another under a used key', async () => {
    const [publisher = '', user = ''] = await database.users(2);
    const send = (names: readonly string[]) =>
      Promise.all(names.map((name) => store.insert([signalFor(user)], keyOf(publisher, name, name))));
    const old = Array.from({ length: 150 }, (_, i) => `old ${i}`);
    const first = await send(old);
    const reused = store.insert([signalFor(user)], keyOf(publisher, 'old 7', 'another'));
    const [again, fresh] = await Promise.all([
      send(old),
      send(Array.from({ length: 50 }, (_, i) => `new ${i}`)),
      expect(reused).rejects.toThrow(KeyReused),
    ]);
    expect(again).toEqual(first.map((answer) => ({ ...answer, replayed: true })));
    expect(fresh.filter(({ replayed }) => replayed)).toEqual([]);
    expect(await seqs(user)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
  });

  it('the same request many times at once, from two nodes', async () => {
    const [publisher = '', user = ''] = await database.users(2);
    const elsewhere = new SignalStore(database.pool(), clock);
    const key = keyOf(publisher, 'at once', 'body');
    const nodes = [store, elsewhere, store, elsewhere, elsewhere, store];
    const beside = store.insert([signalFor(user)]);
    const answers = await Promise.all(nodes.map((node) => node.insert([signalFor(user), signalFor(user)], key)));
    await beside;
    expect(new Set(answers.map(({ stored }) => JSON.stringify(stored))).size).toBe(1);
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await seqs(user)).toEqual([1, 2, 3]);
  });

  it('holds each user to the day’s limit, over batches, and begins anew with the UTC day', async () => {
    const [a = '', b = ''] = await database.users(2);
    const give = async (count: number, limit: number) => {
      const batch = Array.from({ length: count }, () => signalFor(a, { dailyLimit: limit }));
      return (await store.insert([signalFor(b), ...batch])).refused.map(({ reason }) => reason);
    };
    expect(await give(3, 5)).toEqual([]);
    expect(await give(3, 5)).toEqual(['daily_limit']);
    expect(await give(1, 5)).toEqual(['daily_limit']);
    expect(await give(1, 6)).toEqual([]);
    expect(await give(2, 0)).toEqual(['daily_limit', 'daily_limit']);
    expect(await seqs(a)).toEqual([1, 2, 3, 4, 5, 6]);
    await clock.jump(clock.now() + DAY_MS);
    expect(await give(6, 5)).toEqual(['daily_limit']);
    const behind = new SignalStore(database.sql, new ManualClock(clock.now() - DAY_MS));
    expect((await behind.insert([signalFor(a, { dailyLimit: 5 })])).refused).toHaveLength(1);
    expect(await seqs(a)).toEqual(Array.from({ length: 11 }, (_, i) => i + 1));
    expect(await seqs(b)).toHaveLength(6);
  });

  it('a guard decides which are written, in the same statement', async () => {
    const user = await database.user();
    await database.sql.query(
      'CREATE TABLE IF NOT EXISTS firings (rule TEXT, at INT, signal UUID, PRIMARY KEY (rule, at))',
    );
    const fire = async (...firings: [string, number, Partial<NewSignal>?][]) => {
      const batch = firings.map(([, , more]) => signalFor(user, more));
      const text = `guard AS (
        INSERT INTO firings SELECT * FROM unnest($1::text[], $2::int[], $3::uuid[]) ORDER BY 1, 2
        ON CONFLICT DO NOTHING RETURNING signal AS id)`;
      const columns = [firings.map(([rule]) => rule), firings.map(([, at]) => at), batch.map(({ id }) => id)];
      const { stored, refused } = await store.insertGuarded(batch, { text, values: columns });
      return [stored.map(({ seq }) => seq), refused.map(({ reason }) => reason)];
    };
    expect(await fire(['a', 1], ['b', 1])).toEqual([[1, 2], []]);
    expect(await fire(['a', 1], ['a', 2], ['b', 1])).toEqual([[3], ['guarded', 'guarded']]);
    await expect(fire(['c', 1, { type: 'x'.repeat(51) }])).rejects.toThrow(/too long/);
    expect(await fire(['c', 1])).toEqual([[4], []]);
    expect(await fire(['d', 1, { dailyLimit: 4 }])).toEqual([[], ['daily_limit']]);
  });

  it('lists the newest first, pages, and filters', async () => {
    const user = await database.user();
    const batch = Array.from({ length: 10 }, (_, i) =>
      signalFor(user, { symbol: i % 2 === 0 ? 'ETHUSDT' : 'BTCUSDT' }),
    );
    const { stored } = await store.insert(batch);
    const list = async (more: Partial<ListQuery>) =>
      (await store.list(user, { ...ALL, ...more })).map(({ seq }) => seq);
    expect(await list({ limit: 3 })).toEqual([10, 9, 8]);
    expect(await list({ limit: 3, before: 8 })).toEqual([7, 6, 5]);
    expect(await list({ symbol: 'ETHUSDT' })).toEqual([9, 7, 5, 3, 1]);
    expect(await store.markRead(user, stored[8]?.id ?? '')).toEqual({ readAt: clock.now() });
    const readAt = clock.now();
    await clock.jump(clock.now() + 5000);
    expect(await store.markRead(user, stored[8]?.id ?? '')).toEqual({ readAt });
    expect(await store.markReadTo(user, 4)).toBe(4);
    expect(await store.markReadTo(user, 2)).toBe(4);
    expect(await list({ unread: true })).toEqual([10, 8, 7, 6, 5]);
    expect((await store.list(user, ALL)).map((signal) => signal.readAt)).toEqual([
      null,
      readAt,
      null,
      null,
      null,
      null,
      ...Array.from({ length: 4 }, () => readAt + 5000),
    ]);
    expect(await store.markReadTo(user, 1e9)).toBe(10);
    expect(await list({ unread: true })).toEqual([]);
  });

  it('what belongs to another user is not there', async () => {
    const [owner = '', other = ''] = await database.users(2);
    const { stored } = await store.insert([signalFor(owner), signalFor(other)]);
    const id = stored[0]?.id ?? '';
    expect(await store.markRead(other, id)).toBeNull();
    expect(await store.delete(other, id)).toBe(false);
    expect((await store.list(other, ALL)).map((signal) => signal.id)).toEqual([stored[1]?.id]);
    expect(await store.delete(owner, id)).toBe(true);
    expect(await store.delete(owner, id)).toBe(false);
  });

  it('a deleted signal leaves its place empty', async () => {
    const user = await database.user();
    const { stored } = await store.insert([signalFor(user), signalFor(user), signalFor(user)]);
    await store.delete(user, stored[2]?.id ?? '');
    await store.insert([signalFor(user)]);
    expect(await seqs(user)).toEqual([1, 2, 4]);
  });

  it('acks are cumulative, per device, and held to the head', async () => {
    const [user = '', silent = ''] = await database.users(2);
    await store.insert([signalFor(user), signalFor(user), signalFor(user)]);
    const ack = (device: string, seq: number) => store.ack([{ userId: user, device, seq }]);
    expect([await ack('a', 2), await ack('a', 1), await ack('b', 99)]).toEqual([[2], [2], [3]]);
    expect(await store.ack([{ userId: silent, device: 'a', seq: 5 }])).toEqual([0]);
    expect([await store.acked(user, 'a'), await store.acked(user, 'b'), await store.acked(user, 'c')]).toEqual([
      2, 3, 0,
    ]);
  });

  it('a signal written by hand gets the next place', async () => {
    const user = await database.user();
    await store.insert([signalFor(user)]);
    await database.sql.query(`INSERT INTO signals (id, user_id, type, symbol) VALUES ($1, $2, 'by hand', 'BTCUSDT')`, [
      newSignalId(),
      user,
    ]);
    await store.insert([signalFor(user)]);
    expect((await store.since(user, 1, 10)).map(({ seq, type, source }) => [seq, type, source])).toEqual([
      [2, 'by hand', 'publisher'],
      [3, 'breakout', 'publisher'],
    ]);
  });

  it('goes with its user', async () => {
    const [publisher = '', user = ''] = await database.users(2);
    await store.insert([signalFor(user)], keyOf(publisher, 'k', 'b'));
    await store.ack([{ userId: user, device: 'a', seq: 1 }]);
    await database.sql.query('DELETE FROM users WHERE id = ANY ($1)', [[user, publisher]]);
    expect([await seqs(user), (await store.heads([user])).size, await store.acked(user, 'a')]).toEqual([[], 0, 0]);
    expect((await store.insert([signalFor(user)])).refused[0]?.reason).toBe('unknown_user');
  });

  it('prunes old keys and devices', async () => {
    const [publisher = '', user = ''] = await database.users(2);
    const at = (ms: number) => new SignalStore(database.sql, new ManualClock(NOON + ms));
    await at(0).insert([signalFor(user)], keyOf(publisher, 'old', 'b'));
    await at(DAY_MS).insert([signalFor(user)], keyOf(publisher, 'new', 'b'));
    const device = (name: string, ms: number) => at(ms).ack([{ userId: user, device: name, seq: 1 }]);
    await device('gone', -88.5 * DAY_MS);
    for (let i = 0; i < 64; i++) await device(`d${i}`, i);
    await at(2.5 * DAY_MS).prune();
    const keys = await database.sql.query('SELECT key FROM signal_keys WHERE publisher_id = $1', [publisher]);
    expect(keys.rows).toEqual([{ key: 'new' }]);
    expect([await store.acked(user, 'gone'), await store.acked(user, 'd0')]).toEqual([0, 1]);
    await device('d64', 3 * DAY_MS);
    await at(2.5 * DAY_MS).prune();
    expect([await store.acked(user, 'd0'), await store.acked(user, 'd1')]).toEqual([0, 1]);
  });
});
