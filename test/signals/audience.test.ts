import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/kit/clock.js';
import { AudiencePublisher, type Content } from '../../src/signals/audience.js';
import { LocalHints } from '../../src/signals/hints.js';
import { Signals } from '../../src/signals/signals.js';
import type { Sql } from '../../src/signals/sql.js';
import { KeyReused, type RequestKey, SignalStore } from '../../src/signals/store.js';
import { audienceOf, type Engine, SignalsDatabase, signalFor } from './support.js';

const engines: Engine[] = ['PostgreSQL', 'embedded'];
const CONTENT: Content = { type: 'news', symbol: 'BTCUSDT', data: null, expiresAt: null, corrects: null };

describe.each(engines)('to all whose plan has it, %s', (engine) => {
  let database: SignalsDatabase;
  let users: string[] = [];
  beforeAll(async () => {
    database = await SignalsDatabase.start(engine);
    users = await database.users(60);
  });
  afterAll(() => database?.stop());

  const publisherOver = (sql: Sql, signalsPerDay = 1000) => {
    const sink = new Signals({ store: new SignalStore(sql, systemClock), hints: new LocalHints() });
    return new AudiencePublisher({ sql, sink, audience: audienceOf(sql, signalsPerDay), clock: systemClock });
  };
  const keyOf = (key: string, body = key): RequestKey => ({
    publisherId: users[30] ?? '',
    key,
    bodyHash: createHash('sha256').update(body).digest(),
  });
  /** How many users have how many signals of a type. */
  const counts = async (type: string) => {
    const { rows } = await database.sql.query<{ count: number; users: number }>(
      `SELECT count, count(*) AS users FROM (SELECT count(*) AS count FROM signals WHERE type = $1 GROUP BY user_id) c GROUP BY count`,
      [type],
    );
    return rows.map(({ count, users: many }) => [count, many]);
  };

  it('each once', async () => {
    const publisher = publisherOver(database.sql);
    const content = { ...CONTENT, type: 'once' };
    expect(await publisher.publish(content, keyOf('once'))).toEqual({ written: 60, refused: 0, replayed: false });
    expect(await publisher.publish(content, keyOf('once'))).toEqual({ written: 60, refused: 0, replayed: true });
    expect(await counts('once')).toEqual([[1, 60]]);
    await expect(publisher.publish(content, keyOf('once', 'other'))).rejects.toThrow(KeyReused);
  });

  it('a database that goes away at any statement: the same request goes on where it stopped', async () => {
    for (let lasts = 0; ; lasts++) {
      const type = `lasts${lasts}`;
      const content = { ...CONTENT, type };
      // What was asked is done, but the answer is lost.
      const first = publisherOver(new Breaking(database.sql, lasts)).publish(content, keyOf(type));
      const whole = await first.then(
        () => true,
        () => false,
      );
      const reach = await publisherOver(database.sql).publish(content, keyOf(type));
      expect([lasts, reach.written, reach.refused]).toEqual([lasts, 60, 0]);
      expect(await counts(type)).toEqual([[1, 60]]);
      if (whole) break;
      expect(lasts).toBeLessThan(100);
    }
  });

  it('the same request on three nodes at once', async () => {
    const content = { ...CONTENT, type: 'three' };
    const nodes = [database.sql, database.pool(), database.pool()].map((sql) => publisherOver(sql));
    const reaches = await Promise.all(nodes.map((node) => node.publish(content, keyOf('three'))));
    expect(reaches.map(({ written, refused }) => [written, refused])).toEqual([
      [60, 0],
      [60, 0],
      [60, 0],
    ]);
    expect(await counts('three')).toEqual([[1, 60]]);
  });

  it('who has had enough today is passed over', async () => {
    const [enough = ''] = users;
    const store = new SignalStore(database.sql, systemClock);
    const had = (await store.heads([enough])).get(enough) ?? 0;
    await store.insert([signalFor(enough)]);
    const reach = await publisherOver(database.sql, had + 1).publish({ ...CONTENT, type: 'limit' }, keyOf('limit'));
    expect(reach).toEqual({ written: 59, refused: 1, replayed: false });
  });

  it('a key of other signals is not one of these, nor the other way round', async () => {
    const store = new SignalStore(database.sql, systemClock);
    await store.insert([signalFor(users[0] ?? '')], keyOf('some', 'same'));
    await expect(publisherOver(database.sql).publish(CONTENT, keyOf('some', 'same'))).rejects.toThrow(KeyReused);
    await publisherOver(database.sql).publish({ ...CONTENT, type: 'mixed' }, keyOf('all', 'same'));
    await expect(store.insert([signalFor(users[0] ?? '')], keyOf('all', 'same'))).rejects.toThrow(KeyReused);
  });
});

/** Does so many statements, and one more whose answer nobody gets. */
class Breaking implements Sql {
  constructor(
    readonly sql: Sql,
    private left: number,
  ) {}

  async query<T>(text: string, values?: readonly unknown[]) {
    if (this.left < 0) throw new Error('away');
    this.left--;
    const answer = await this.sql.query<T>(text, values);
    if (this.left < 0) throw new Error('the answer is lost');
    return answer;
  }
}
