import { test as property } from '@fast-check/vitest';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { systemClock } from '../../src/kit/clock.js';
import type { Guard } from '../../src/signals/guard.js';
import { newSignalId } from '../../src/signals/ids.js';
import type { Inserted, NewSignal } from '../../src/signals/signal.js';
import { SignalStore } from '../../src/signals/store.js';
import { SignalsDatabase, signalFor } from './support.js';

const USERS = 6;
const NODES = 4;

/** One after the other on a node: a batch is users by number, in any order, any number of times each. */
const batch = fc.record({
  users: fc.array(fc.nat(USERS - 1), { minLength: 1, maxLength: 60 }),
  guarded: fc.boolean(),
});
const node = fc.array(batch, { minLength: 1, maxLength: 8 });

let database: SignalsDatabase;
let stores: SignalStore[] = [];
beforeAll(async () => {
  database = await SignalsDatabase.start('PostgreSQL');
  stores = Array.from({ length: NODES }, () => new SignalStore(database.pool(2), systemClock));
  await database.sql.query('CREATE TABLE firings (firing INT PRIMARY KEY, signal UUID)');
});
afterAll(() => database?.stop());

/** What a reader can see at any moment: places without a hole up to the head. */
async function assertWhole(users: readonly string[]): Promise<void> {
  const { rows } = await database.sql.query<{ count: number; first: number; last: number; head: number }>(
    `SELECT count(*) AS count, min(s.seq) AS first, max(s.seq) AS last, h.last_seq AS head
     FROM signal_heads h LEFT JOIN signals s USING (user_id) WHERE h.user_id = ANY ($1) GROUP BY h.user_id, h.last_seq`,
    [users],
  );
  for (const row of rows) {
    const { count, first, last, head } = row;
    expect([count, first, last]).toEqual(head === 0 ? [0, null, null] : [head, 1, head]);
  }
}

async function deadlocks(): Promise<number> {
  await database.sql.query('SELECT pg_stat_force_next_flush()');
  const { rows } = await database.sql.query<{ deadlocks: number }>(
    'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()',
  );
  return rows[0]?.deadlocks ?? -1;
}

/** Every signal of a batch wants a firing that others want as well. */
function firing(signals: readonly NewSignal[]): Guard {
  const text = `guard AS (
    INSERT INTO firings SELECT DISTINCT ON (firing) * FROM unnest($1::int[], $2::uuid[]) AS f (firing, signal) ORDER BY firing
    ON CONFLICT DO NOTHING RETURNING signal AS id)`;
  return { text, values: [signals.map((_, i) => i % 20), signals.map(({ id }) => id)] };
}

describe('batches of several nodes at once', () => {
  property.prop([fc.array(node, { minLength: 2, maxLength: NODES }), fc.nat(200)], { numRuns: 25 })(
    'leave no hole at any moment, give no place twice, and never wait in a circle',
    async (nodes, dailyLimit) => {
      const users = await database.users(USERS);
      await database.sql.query('TRUNCATE firings');
      const before = await deadlocks();
      const inserted: Inserted[] = [];
      let left = nodes.length;
      const write = async (batches: (typeof nodes)[number], store: SignalStore) => {
        await Promise.all(
          batches.map(async ({ users: chosen, guarded }) => {
            const signals = chosen.map((user) => signalFor(users[user] ?? '', { dailyLimit: dailyLimit + 1 }));
            inserted.push(guarded ? await store.insertGuarded(signals, firing(signals)) : await store.insert(signals));
          }),
        );
        left--;
      };
      const watch = async () => {
        while (left > 0) await assertWhole(users);
      };
      const work = nodes.map((batches, i) => write(batches, stores[i] ?? (stores[0] as SignalStore)));
      await Promise.all([...work, watch()]);
      await assertWhole(users);
      const stored = inserted.flatMap((one) => one.stored);
      for (const user of users) {
        const places = stored.filter(({ userId }) => userId === user).map(({ seq }) => seq);
        expect(places.sort((a, b) => a - b)).toEqual(places.map((_, i) => i + 1));
        expect(places.length).toBeLessThanOrEqual(dailyLimit + 1);
      }
      const refused = inserted.flatMap((one) => one.refused).length;
      const asked = nodes.flat().reduce((sum, { users: chosen }) => sum + chosen.length, 0);
      expect(stored.length + refused).toBe(asked);
      expect(await deadlocks()).toBe(before);
    },
  );

  property.prop([fc.array(fc.nat(USERS - 1), { minLength: 1, maxLength: 4 })], { numRuns: 15 })(
    'go on while users are deleted',
    async (gone) => {
      const users = await database.users(USERS);
      const before = await deadlocks();
      const batches = stores.map(async (store) => {
        for (let i = 0; i < 6; i++) await store.insert(users.flatMap((user) => [signalFor(user), signalFor(user)]));
      });
      const deleted = new Set(gone);
      const deletions = [...deleted].map((user) =>
        database.sql.query('DELETE FROM users WHERE id = $1', [users[user] ?? newSignalId()]),
      );
      await Promise.all([...batches, ...deletions]);
      await assertWhole(users);
      const heads = await (stores[0] as SignalStore).heads(users);
      for (const [i, user] of users.entries()) expect(heads.get(user)).toBe(deleted.has(i) ? undefined : 48);
      expect(await deadlocks()).toBe(before);
    },
  );
});
