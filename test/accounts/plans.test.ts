import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bestOf, DEFAULT_PLANS, parsePlans } from '../../src/accounts/plans.js';
import { UserError } from '../../src/kit/errors.js';
import { type AccountsDatabase, accountsDatabase, accountsOn, newUser } from './support.js';

describe('plans', () => {
  it('are free and pro unless told otherwise', () => {
    expect(parsePlans(null)).toBe(DEFAULT_PLANS);
    expect(DEFAULT_PLANS.all.map(({ plan }) => plan)).toEqual(['free', 'pro']);
  });

  it('take what they leave out from the built-in ones, and keep their order', () => {
    const { all } = parsePlans(
      '{"trial":{"connections":1,"intervals":["1m","1h"]},"pro":{"historyDays":365},"desk":{"rules":9}}',
    );
    const [free, pro] = DEFAULT_PLANS.all;
    expect(all).toEqual([
      { ...free, plan: 'trial', connections: 1, intervals: ['1m', '1h'] },
      { ...pro, historyDays: 365 },
      { ...free, plan: 'desk', rules: 9 },
    ]);
  });

  it.each([
    ['no JSON', '{', /must be a JSON object/],
    ['a list', '[]', /must be a JSON object/],
    ['none', '{}', /must have 1 to 50 plans/],
    ['an unknown field', '{"free":{"conections":1}}', /free: .*conections/],
    ['a text', '{"free":{"connections":"5"}}', /free\.connections/],
    ['no connections', '{"free":{"connections":0}}', /free\.connections/],
    ['an interval that is none', '{"free":{"intervals":["7m"]}}', /free\.intervals/],
    ['an infinite number', '{"free":{"rules":1e999}}', /free\.rules/],
    ['a name like a number', '{"1":{}}', /a letter first/],
    ['several mistakes', '{"free":{"rules":-1},"pro":{"channels":1.5}}', /free\.rules.*pro\.channels/],
  ])('refuse %s', (_name, text, reason) => {
    expect(() => parsePlans(text)).toThrow(reason);
    expect(() => parsePlans(text)).toThrow(UserError);
  });

  it('are the best of those that somebody has; unknown ones give nothing', () => {
    const best = (...names: string[]) => bestOf(DEFAULT_PLANS, names).plan;
    expect([best(), best('gone'), best('pro', 'free'), best('free', 'pro', 'gone')]).toEqual([
      'free',
      'free',
      'pro',
      'pro',
    ]);
  });
});

describe.each(['embedded', 'real'] as const)('subscriptions on the %s engine', (kind) => {
  let at: AccountsDatabase;
  beforeAll(async () => {
    at = await accountsDatabase(kind);
  });
  afterAll(() => at.stop());

  it.each([
    ['today', '2026-11-22', '2026-11-22', 'active', 'pro'],
    ['from today on', '2026-11-22', null, 'active', 'pro'],
    ['until yesterday', '2026-01-01', '2026-11-21', 'active', 'free'],
    ['from tomorrow on', '2026-11-23', null, 'active', 'free'],
    ['cancelled', '2026-01-01', null, 'cancelled', 'free'],
    ['without a status', '2026-01-01', null, null, 'free'],
  ])('%s', async (_name, start, end, status, plan) => {
    const { accounts } = accountsOn(at.pool);
    const { id } = await newUser(at.pool);
    await at.pool.query(
      `INSERT INTO subscriptions (id, user_id, plan, start_date, end_date, status) VALUES (gen_random_uuid(), $1, 'pro', $2, $3, $4)`,
      [id, start, end, status],
    );
    const claimed = { userId: id, sessionId: null, keyId: null, expiresAt: null };
    expect(await accounts.identityOf(claimed)).toMatchObject({ entitlements: { plan } });
  });

  it('begin and end at midnight UTC, whatever the zone of the server', async () => {
    const { accounts, clock } = accountsOn(at.pool);
    const { id } = await newUser(at.pool);
    await at.pool.query(
      `INSERT INTO subscriptions (id, user_id, plan, start_date, end_date) VALUES (gen_random_uuid(), $1, 'pro', '2026-11-23', '2026-11-23')`,
      [id],
    );
    const claimed = { userId: id, sessionId: null, keyId: null, expiresAt: null };
    const planAt = async (time: number) => {
      await clock.jump(time);
      return accounts.identityOf(claimed);
    };
    const midnight = Date.UTC(2026, 10, 23);
    expect(await planAt(midnight - 1)).toMatchObject({ entitlements: { plan: 'free' } });
    expect(await planAt(midnight)).toMatchObject({ entitlements: { plan: 'pro' } });
    expect(await planAt(midnight + 86_399_999)).toMatchObject({ entitlements: { plan: 'pro' } });
    expect(await planAt(midnight + 86_400_000)).toMatchObject({ entitlements: { plan: 'free' } });
  });

  it('of many users are read in their order, also of those who are gone', async () => {
    const { accounts } = accountsOn(at.pool);
    const users: string[] = [];
    for (let i = 0; i < 5; i++) users.push((await newUser(at.pool, i === 3 ? 'publisher' : 'user')).id);
    const gone = '00000000-0000-7000-8000-000000000000';
    const asked = [...Array.from({ length: 1200 }, (_, i) => users[i % 5] ?? ''), gone];
    const results = await accounts.identitiesOf(
      asked.map((userId) => ({ userId, sessionId: null, keyId: null, expiresAt: null })),
    );
    expect(results.map((result) => ('failure' in result ? result.failure : result.userId))).toEqual([
      ...asked.slice(0, -1),
      'revoked',
    ]);
    expect(results[3]).toMatchObject({ role: 'publisher' });
  });
});
