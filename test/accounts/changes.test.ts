import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Accounts } from '../../src/accounts/accounts.js';
import type { Announcer } from '../../src/accounts/changes.js';
import type { AccountChange } from '../../src/wire/identity.js';
import type { ManualClock } from '../feed/manual-clock.js';
import {
  type AccountsDatabase,
  accountsDatabase,
  accountsOn,
  asIdentity,
  logIn,
  loginsOf,
  newUser,
} from './support.js';

/** Carries announcements between accounts of one process, unless it is cut. */
class Wire {
  cut = false;
  readonly #nodes: { announced(change: AccountChange): void; gap(): void }[] = [];

  join(): Announcer {
    const node = { announced: (_: AccountChange) => {}, gap: () => {} };
    this.#nodes.push(node);
    return {
      announce: (change) => {
        if (!this.cut) for (const other of this.#nodes) other.announced(change);
      },
      onAnnounced: (listener) => {
        node.announced = listener;
      },
      onGap: (listener) => {
        node.gap = listener;
      },
    };
  }

  heal(): void {
    this.cut = false;
    for (const node of this.#nodes) node.gap();
  }
}

describe.each(['embedded', 'real'] as const)('changes of accounts on the %s engine', (kind) => {
  let at: AccountsDatabase;
  let wire: Wire;
  let here: Accounts;
  let there: Accounts;
  let clock: ManualClock;
  let heard: AccountChange[];

  beforeAll(async () => {
    at = await accountsDatabase(kind);
  });
  afterAll(() => at.stop());
  beforeEach(async () => {
    wire = new Wire();
    heard = [];
    ({ accounts: here, clock } = accountsOn(at.pool, { announcer: wire.join() }));
    there = accountsOn(at.pool, { announcer: wire.join(), clock }).accounts;
    await here.start();
    await there.start();
    there.onChange((change) => heard.push(change));
  });
  afterEach(async () => {
    await here.stop();
    await there.stop();
  });

  const all = (userId: string): AccountChange => ({ userId, sessionId: null, keyId: null });

  it('are known on other nodes at once, where a token was accepted a moment ago', async () => {
    const { email } = await newUser(at.pool);
    const { accessToken, userId, sessionId } = await logIn(here, email);
    expect(await there.authenticate(accessToken)).toMatchObject({ userId });
    await loginsOf(here).logout({ userId, sessionId }, false);
    expect(heard).toEqual([{ userId, sessionId, keyId: null }]);
    expect(await there.authenticate(accessToken)).toEqual({ failure: 'revoked' });
  });

  it('are found in the database where the announcement was lost', async () => {
    const { email } = await newUser(at.pool);
    const { accessToken, userId, sessionId } = await logIn(here, email);
    await there.authenticate(accessToken);
    wire.cut = true;
    await loginsOf(here).logout({ userId, sessionId }, false);
    expect([heard, await there.authenticate(accessToken)]).toMatchObject([[], { userId }]);
    await there.catchUp();
    expect(heard).toEqual([{ userId, sessionId, keyId: null }]);
    expect(await there.authenticate(accessToken)).toEqual({ failure: 'revoked' });
    await there.catchUp();
    expect(heard).toHaveLength(1);
  });

  it('that a look at a connection finds first end its token too', async () => {
    const { email } = await newUser(at.pool);
    const { accessToken, userId, sessionId } = await logIn(here, email);
    const identity = asIdentity(await there.authenticate(accessToken));
    wire.cut = true;
    await loginsOf(here).logout({ userId, sessionId }, false);
    expect(await there.identitiesOf([identity])).toEqual([{ failure: 'revoked' }]);
    expect(await there.authenticate(accessToken)).toEqual({ failure: 'revoked' });
  });

  it('are looked for as soon as announcements come again, and by the clock', async () => {
    const { id } = await newUser(at.pool);
    const { id: other } = await newUser(at.pool);
    wire.cut = true;
    await at.pool.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [id]);
    wire.heal();
    await there.catchUp();
    expect(heard).toEqual([all(id)]);
    await at.pool.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [other]);
    await clock.run(clock.now() + 2000);
    await there.catchUp();
    expect(heard).toEqual([all(id), all(other)]);
  });

  it('made by SQL are known too, each of them', async () => {
    const { id, email } = await newUser(at.pool);
    const { accessToken } = await logIn(here, email);
    const identity = asIdentity(await there.authenticate(accessToken));
    const key = (await here.createKey(identity, { name: 'k', scopes: ['rules'] })).entry.id;
    const changed = async (text: string, values: unknown[]): Promise<AccountChange[]> => {
      heard.splice(0);
      await at.pool.query(text, values);
      await there.catchUp();
      return heard;
    };
    const plan = async () => asIdentity(await there.authenticate(accessToken)).entitlements.plan;
    const subscribe = `INSERT INTO subscriptions (id, user_id, plan, start_date) VALUES (gen_random_uuid(), $1, 'pro', '2026-01-01')`;
    expect([await changed(subscribe, [id]), await plan()]).toEqual([[all(id)], 'pro']);
    const cancel = `UPDATE subscriptions SET status = 'cancelled' WHERE user_id = $1`;
    expect([await changed(cancel, [id]), await plan()]).toEqual([[all(id)], 'free']);
    const keyChange = { ...all(id), keyId: key };
    expect(await changed(`UPDATE api_keys SET revoked_at = now() WHERE user_id = $1`, [id])).toEqual([keyChange]);
    const sessionChange = { ...all(id), sessionId: identity.sessionId };
    expect(await changed(`UPDATE sessions SET revoked_at = now() WHERE user_id = $1`, [id])).toEqual([sessionChange]);
    expect(await changed(`UPDATE users SET password_hash = 'x' WHERE id = $1`, [id])).toEqual([all(id)]);
    expect(await changed('DELETE FROM users WHERE id = $1', [id])).toContainEqual(all(id));
    expect(await changed(`UPDATE users SET email = email`, [])).toEqual([]);
  });

  it('are all found when they are many', async () => {
    await at.pool.query(
      `INSERT INTO account_changes (user_id) SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid FROM generate_series(1, 2500) AS n`,
    );
    await there.catchUp();
    await there.catchUp();
    expect(heard).toHaveLength(2500);
    expect(new Set(heard.map(({ userId }) => userId)).size).toBe(2500);
  });

  it.runIf(kind === 'real')(
    'whose row can be seen late are found although later numbers were seen before',
    async () => {
      const slow = at.database.connect({ max: 1 });
      const [first, second] = ['00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000002'];
      await slow.begin(async (transaction) => {
        await transaction`INSERT INTO account_changes (user_id) VALUES (${first})`;
        await at.pool.query('INSERT INTO account_changes (user_id) VALUES ($1)', [second]);
        await there.catchUp();
        expect(heard).toEqual([all(second)]);
      });
      await clock.jump(clock.now() + 10_000);
      await there.catchUp();
      expect(heard).toEqual([all(second), all(first)]);
    },
  );

  it('leave no identity that was read meanwhile as it was', async () => {
    let during = async (): Promise<void> => {};
    const sql = {
      async query<T>(text: string, values?: readonly unknown[]) {
        const answer = await at.pool.query<T>(text, values);
        if (text.includes('claimed.place')) await during();
        return answer;
      },
    };
    const { accounts } = accountsOn(at.pool, { sql });
    const { email } = await newUser(at.pool);
    const { accessToken, userId, sessionId } = await logIn(accounts, email);
    during = async () => {
      during = async () => {};
      await loginsOf(accounts).logout({ userId, sessionId }, false);
    };
    expect(await accounts.authenticate(accessToken)).toEqual({ failure: 'revoked' });
  });
});
