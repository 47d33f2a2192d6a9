import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../src/kit/clock.js';
import { type SignalFeed, SignalsUnavailable, UserFeeds } from '../../src/signals/feed.js';
import { LocalHints, type SignalHints } from '../../src/signals/hints.js';
import { Signals } from '../../src/signals/signals.js';
import type { Sql } from '../../src/signals/sql.js';
import { SignalStore } from '../../src/signals/store.js';
import { Lines, until } from '../bus/redis-bus.js';
import { Recorder } from './recorder.js';
import { SignalsDatabase, signalFor } from './support.js';

let database: SignalsDatabase;
let store: SignalStore;
const feeds: UserFeeds[] = [];
beforeAll(async () => {
  database = await SignalsDatabase.start('embedded');
  store = new SignalStore(database.sql, systemClock);
});
afterEach(async () => {
  await Promise.all(feeds.splice(0).map((feed) => feed.stop()));
});
afterAll(() => database?.stop());

const NEVER_MS = 3_600_000;

async function begin(hints: SignalHints = new LocalHints(), sql: Sql = database.sql, pollMs = NEVER_MS) {
  const log = new Lines();
  const feed = new UserFeeds({ store: new SignalStore(sql, systemClock), hints, clock: systemClock, log, pollMs });
  feeds.push(feed);
  await feed.start();
  return { feed, hints, log, signals: new Signals({ store, hints }) };
}

async function resume(feed: SignalFeed, userId: string, seq: number) {
  const pages = [];
  for await (const page of feed.since(userId, seq)) pages.push(page);
  return { seqs: pages.flatMap(({ signals }) => signals.map((one) => one.seq)), pages };
}

it('delivers what is published, in order, to everybody who follows the user and nobody else', async () => {
  const { feed, signals } = await begin();
  const [a = '', b = ''] = await database.users(2);
  const recorders = await Promise.all([a, a, b].map((user) => Recorder.follow(feed, user)));
  const { stored } = await signals.publish([signalFor(a), signalFor(b), signalFor(a)]);
  expect(recorders.map(({ seqs }) => seqs)).toEqual([[1, 2], [1, 2], [1]]);
  expect(recorders[0]?.news.map(({ signal }) => signal)).toEqual([stored[0], stored[2]]);
  expect(recorders[0]?.news.map(({ prev }) => prev)).toEqual([0, 1]);
  recorders[0]?.following?.stop();
  recorders[0]?.following?.stop();
  await signals.publish([signalFor(a)]);
  expect(recorders.map(({ seqs }) => seqs)).toEqual([[1, 2], [1, 2, 3], [1]]);
  for (const { following } of recorders) following?.stop();
  expect(feed.followed).toBe(0);
});

it('begins at the head; what was before is read with since', async () => {
  const { feed, signals } = await begin();
  const user = await database.user();
  await signals.publish([signalFor(user), signalFor(user)]);
  const recorder = await Recorder.follow(feed, user);
  expect(recorder.start).toEqual({ epoch: await store.epoch(), seq: 2 });
  await signals.publish([signalFor(user)]);
  expect(recorder.news.map(({ prev, signal }) => [prev, signal.seq])).toEqual([[2, 3]]);
  expect((await resume(feed, user, 1)).seqs).toEqual([2, 3]);
  expect(await feed.head(user)).toEqual({ epoch: recorder.start.epoch, seq: 3 });
});

it('pages everything that was missed', async () => {
  const { feed, signals } = await begin();
  const user = await database.user();
  for (let i = 0; i < 5; i++) await signals.publish(Array.from({ length: 90 }, () => signalFor(user)));
  const { seqs, pages } = await resume(feed, user, 7);
  expect(seqs).toEqual(Array.from({ length: 443 }, (_, i) => i + 8));
  expect(pages.map(({ signals: page, position }) => [page.length, position.seq])).toEqual([
    [200, 207],
    [200, 407],
    [43, 450],
  ]);
});

it('what has expired is no news, and no hole', async () => {
  const { feed, signals } = await begin();
  const user = await database.user();
  const recorder = await Recorder.follow(feed, user);
  const expired = signalFor(user, { expiresAt: systemClock.now() - 1 });
  const later = signalFor(user, { expiresAt: systemClock.now() + NEVER_MS });
  await signals.publish([signalFor(user), expired]);
  await signals.publish([expired].map((one) => ({ ...one, id: signalFor(user).id })));
  await signals.publish([later]);
  expect(recorder.news.map(({ prev, signal }) => [prev, signal.seq])).toEqual([
    [0, 1],
    [1, 4],
  ]);
  expect(recorder.positions).toEqual([2, 3, 4]);
  expect((await resume(feed, user, 1)).seqs).toEqual([4]);
});

it('a hint that does not join makes the rest be read', async () => {
  const { feed, hints } = await begin();
  const user = await database.user();
  const recorder = await Recorder.follow(feed, user);
  const { stored } = await store.insert([signalFor(user), signalFor(user), signalFor(user), signalFor(user)]);
  hints.publish(stored.slice(2, 3));
  await recorder.reached(3);
  hints.publish(stored.slice(0, 3));
  hints.publish(stored.slice(1, 4));
  expect(recorder.ids).toEqual(stored.map(({ id }) => id));
});

it('deleted signals at the end do not hold it up', async () => {
  const { feed, hints } = await begin();
  const user = await database.user();
  const recorder = await Recorder.follow(feed, user);
  const { stored } = await store.insert([signalFor(user), signalFor(user), signalFor(user)]);
  for (const { id } of stored.slice(1)) await store.delete(user, id);
  hints.publish(stored.slice(2));
  await recorder.reached(3);
  expect(recorder.seqs).toEqual([1]);
  const { pages } = await resume(feed, user, 1);
  expect(pages.map(({ position }) => position.seq)).toEqual([3]);
});

it('signals that no hint told of come with the next poll, however many there are', async () => {
  const { feed } = await begin(new LocalHints(), database.sql, 20);
  const users = await database.users(90);
  const recorders = await Promise.all(users.map((user) => Recorder.follow(feed, user)));
  const batch = users.flatMap((user, i) => Array.from({ length: i }, () => signalFor(user)));
  for (let i = 0; i < batch.length; i += 1000) await store.insert(batch.slice(i, i + 1000));
  await Promise.all(recorders.map((recorder, i) => recorder.reached(i)));
  for (const [i, { seqs }] of recorders.entries()) expect(seqs).toEqual(Array.from({ length: i }, (_, at) => at + 1));
});

it('a listener that throws is logged and costs the others nothing', async () => {
  const { feed, signals, log } = await begin();
  const user = await database.user();
  await feed.follow(user, () => {
    throw new Error('broken');
  });
  const recorder = await Recorder.follow(feed, user);
  await signals.publish([signalFor(user)]);
  expect(recorder.seqs).toEqual([1]);
  expect(log.count(/a listener of signals failed/)).toBe(1);
});

it('a database that does not answer: following is refused, live goes on, and what is missing comes when it is back', async () => {
  const failing = new Interruptible(database.sql);
  const { feed, hints, signals } = await begin(new LocalHints(), failing, 20);
  const [user = '', other = ''] = await database.users(2);
  const recorder = await Recorder.follow(feed, user);
  failing.away = true;
  await expect(Recorder.follow(feed, other)).rejects.toThrow(SignalsUnavailable);
  await expect(feed.head(user)).rejects.toThrow(SignalsUnavailable);
  await expect(resume(feed, user, 0)).rejects.toThrow(SignalsUnavailable);
  await signals.publish([signalFor(user)]);
  expect(recorder.seqs).toEqual([1]);
  const { stored } = await store.insert([signalFor(user), signalFor(user)]);
  hints.publish(stored.slice(1));
  await until(() => !feed.up);
  expect([feed.up, recorder.seqs]).toEqual([false, [1]]);
  failing.away = false;
  await recorder.reached(3);
  expect(recorder.seqs).toEqual([1, 2, 3]);
  expect(feed.up).toBe(true);
  expect((await Recorder.follow(feed, other)).start.seq).toBe(0);
  expect(feed.followed).toBe(2);
});

it('acks at the same time', async () => {
  const { feed, signals } = await begin();
  const user = await database.user();
  await signals.publish(Array.from({ length: 9 }, () => signalFor(user)));
  const acks = await Promise.all([3, 5, 4, 9, 2, 1].map((seq) => feed.ack(user, 'phone', seq)));
  expect(acks.every((seq, i) => seq >= ([3, 5, 4, 9, 2, 1][i] ?? 0))).toBe(true);
  expect([await feed.acked(user, 'phone'), await feed.acked(user, 'desk')]).toEqual([9, 0]);
});

it('a database that is an older copy of itself: places that are given out again are delivered', async () => {
  const { feed, signals, log } = await begin(new LocalHints(), database.sql, 20);
  const user = await database.user();
  const recorder = await Recorder.follow(feed, user);
  await signals.publish([signalFor(user), signalFor(user), signalFor(user)]);
  await database.sql.query('DELETE FROM signals WHERE user_id = $1 AND seq > 1', [user]);
  await database.sql.query('UPDATE signal_heads SET last_seq = 1 WHERE user_id = $1', [user]);
  await until(() => log.count(/fewer signals than before/) > 0);
  await signals.publish([signalFor(user)]);
  expect(recorder.seqs).toEqual([1, 2, 3, 2]);
});

/** Answers nothing while it is away. */
class Interruptible implements Sql {
  away = false;
  constructor(readonly sql: Sql) {}

  async query<T>(text: string, values?: readonly unknown[]) {
    if (this.away) throw new Error('no answer');
    return await this.sql.query<T>(text, values);
  }
}
