import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createRouter } from '../../src/http/router.js';
import { ruleRoutes } from '../../src/http/rules.js';
import { systemClock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import { RuleService } from '../../src/signals/rules/service.js';
import { RuleStore } from '../../src/signals/rules/store.js';
import type { Identity } from '../../src/wire/identity.js';
import { identityOf } from '../signals/rules/runners.js';
import { SignalsDatabase } from '../signals/support.js';
import { request } from './requests.js';

const PRICE = { type: 'price', op: 'crosses_above', level: '0.00143' };
const RULE = { symbol: 'XRPETH', interval: '1m', when: PRICE };
let database: SignalsDatabase;
let identities: Map<string, Identity>;
let changed: string[];
let isAway = false;

beforeAll(async () => {
  database = await SignalsDatabase.start('embedded');
});
afterAll(() => database.stop());
beforeEach(async () => {
  const [one = '', two = ''] = await database.users(2);
  const key: Identity = { ...identityOf(one), keyId: 'key', scopes: ['candles'] };
  identities = new Map([
    ['one', identityOf(one, { plan: 'free', rules: 2, intervals: ['1m', '1h'] })],
    ['two', identityOf(two)],
    ['key', key],
    ['key-of-rules', { ...key, scopes: ['rules'] }],
  ]);
  changed = [];
  isAway = false;
});

const service = () =>
  new RuleService({
    store: new RuleStore({
      query: (text, values) => (isAway ? Promise.reject(new Error('away')) : database.sql.query(text, values)),
    }),
    newestClosed: async (symbol) => (symbol === 'XRPETH' ? 1_570_752_000_000 : undefined),
    onChange: (symbol) => changed.push(symbol),
    clock: systemClock,
  });

async function send(
  method: string,
  path: string,
  token: string | null,
  body?: unknown,
  more: Record<string, string> = {},
) {
  const router = createRouter(
    ruleRoutes(service(), {
      auth: { authenticate: async (given) => identities.get(given) ?? { failure: 'invalid_token' } },
      allowedOrigins: ['https://app.example.com'],
      log: silentLog,
    }),
  );
  const headers: Record<string, string> = { host: 'localhost:8080', 'content-type': 'application/json', ...more };
  if (token !== null) headers.authorization = `Bearer ${token}`;
  const response = await router(request(method, path, headers, body === undefined ? '' : JSON.stringify(body)));
  const text = String(response.body);
  return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
}

test('made, read, changed, listed, deleted', async () => {
  const made = await send('POST', '/v1/rules', 'one', { ...RULE, name: 'a', data: { n: 1 }, cooldownMs: 60_000 });
  expect(made).toMatchObject({ status: 201, headers: { 'cache-control': 'no-store' } });
  const { id } = made.body;
  expect(made.body).toEqual({
    id,
    symbol: 'XRPETH',
    interval: '1m',
    name: 'a',
    when: PRICE,
    data: { n: 1 },
    enabled: true,
    cooldownMs: 60_000,
    expiresAt: null,
    createdAt: expect.any(Number),
    updatedAt: expect.any(Number),
  });
  expect((await send('GET', `/v1/rules/${id}`, 'one')).body).toEqual(made.body);
  const when = { any: [PRICE, { type: 'rsi', period: 14, op: 'above', level: 70 }] };
  const patched = await send('PATCH', `/v1/rules/${id}`, 'one', {
    when,
    name: null,
    enabled: false,
    expiresAt: 2_000_000_000_000,
  });
  expect(patched.body).toMatchObject({
    id,
    when,
    enabled: false,
    expiresAt: 2_000_000_000_000,
    cooldownMs: 60_000,
    data: { n: 1 },
  });
  expect(patched.body).not.toHaveProperty('name');
  expect((await send('GET', '/v1/rules', 'one')).body).toEqual({ rules: [patched.body], next: null });
  expect((await send('DELETE', `/v1/rules/${id}`, 'one')).status).toBe(204);
  expect((await send('GET', `/v1/rules/${id}`, 'one')).status).toBe(404);
  expect(changed).toEqual(['XRPETH', 'XRPETH', 'XRPETH']);
});

test('pages go on where the one before ended', async () => {
  const ids: string[] = [];
  for (let i = 0; i < 5; i++) ids.push((await send('POST', '/v1/rules', 'two', RULE)).body.id);
  const seen: string[] = [];
  let next: string | null = null;
  do {
    const page: { rules: { id: string }[]; next: string | null } = (
      await send('GET', `/v1/rules?limit=2${next === null ? '' : `&after=${next}`}`, 'two')
    ).body;
    seen.push(...page.rules.map(({ id }) => id));
    next = page.next;
  } while (next !== null);
  expect(seen).toEqual([...ids].sort());
});

test('a rule of somebody else is not there', async () => {
  const { id } = (await send('POST', '/v1/rules', 'one', RULE)).body;
  for (const method of ['GET', 'PATCH', 'DELETE'])
    expect(
      await send(method, `/v1/rules/${id}`, 'two', method === 'PATCH' ? { enabled: false } : undefined),
    ).toMatchObject({
      status: 404,
      body: { code: 'not_found' },
    });
  expect((await send('GET', '/v1/rules', 'two')).body.rules).toEqual([]);
  expect((await send('GET', `/v1/rules/${id}`, 'one')).body.enabled).toBe(true);
});

test('limits name themselves and the plan', async () => {
  for (let i = 0; i < 2; i++) expect((await send('POST', '/v1/rules', 'one', RULE)).status).toBe(201);
  expect(await send('POST', '/v1/rules', 'one', RULE)).toMatchObject({
    status: 403,
    body: { code: 'rule_limit', limit: 'rules', plan: 'free', allowed: 2, detail: expect.stringContaining('"free"') },
  });
  expect(await send('POST', '/v1/rules', 'one', { ...RULE, interval: '5m' })).toMatchObject({
    status: 403,
    body: { code: 'interval_not_in_plan', limit: 'intervals', plan: 'free' },
  });
});

describe('after the plan has become smaller', () => {
  const others = () => ({ ...RULE, when: { ...PRICE, level: '0.00144' } });

  test('a rule that it does not have can be switched off, shrunk and deleted, and neither changed nor switched on', async () => {
    const made: string[] = [];
    for (const rule of [RULE, RULE, RULE]) made.push((await send('POST', '/v1/rules', 'two', rule)).body.id);
    const [first, , third] = made.map((id) => `/v1/rules/${id}`);
    const owner = identities.get('two')?.userId ?? '';
    identities.set('two', identityOf(owner, { plan: 'free', rules: 2 }));
    const limit = { status: 403, body: { code: 'rule_limit', limit: 'rules', plan: 'free', allowed: 2 } };
    const change = (path: string | undefined, body: object) => send('PATCH', path ?? '', 'two', body);
    // Those that are on are taken by age.
    expect(await change(first, { when: others().when })).toMatchObject({ status: 200 });
    for (const more of [{ when: others().when }, { cooldownMs: 0, expiresAt: 2_000_000_000_000, when: others().when }])
      expect(await change(third, more)).toMatchObject(limit);
    for (const less of [
      { name: 'third', data: { n: 1 } },
      { cooldownMs: 60_000 },
      { expiresAt: 2_000_000_000_000 },
      { expiresAt: 1_900_000_000_000, cooldownMs: 120_000, when: PRICE },
    ])
      expect(await change(third, less)).toMatchObject({ status: 200 });
    for (const more of [{ cooldownMs: 0 }, { expiresAt: null }, { expiresAt: 1_950_000_000_000 }])
      expect(await change(third, more)).toMatchObject(limit);
    expect(await change(third, { enabled: false, when: others().when })).toMatchObject({ status: 200 });
    expect(await change(third, { cooldownMs: 0 })).toMatchObject({ status: 200 });
    expect(await change(third, { enabled: true })).toMatchObject(limit);
    // Room is made; then an old one would push out a newer one.
    expect(await change(first, { enabled: false })).toMatchObject({ status: 200 });
    expect(await change(third, { enabled: true })).toMatchObject({ status: 200 });
    expect(await change(first, { enabled: true })).toMatchObject(limit);
    expect((await send('DELETE', third ?? '', 'two')).status).toBe(204);
    expect(await change(first, { enabled: true })).toMatchObject({ status: 200 });
  });

  test.each([
    [{ intervals: ['5m' as const] }, { code: 'interval_not_in_plan', limit: 'intervals' }],
    [{ signalSymbols: ['BTCUSDT'] }, { code: 'symbol_not_in_plan', limit: 'signalSymbols' }],
  ])('nor one on what %j leaves out', async (gives, refusal) => {
    const { id } = (await send('POST', '/v1/rules', 'two', RULE)).body;
    identities.set('two', identityOf(identities.get('two')?.userId ?? '', { plan: 'free', ...gives }));
    const change = (body: object) => send('PATCH', `/v1/rules/${id}`, 'two', body);
    expect(await change({ when: others().when })).toMatchObject({ status: 403, body: { ...refusal, plan: 'free' } });
    expect((await change({ enabled: false })).status).toBe(200);
    expect(await change({ enabled: true })).toMatchObject({ status: 403, body: refusal });
  });
});

describe('refused', () => {
  test.each<[string, string | null, string, string, unknown, number, string]>([
    ['nobody', null, 'POST', '/v1/rules', RULE, 401, 'auth_required'],
    ['a wrong token', 'x', 'GET', '/v1/rules', undefined, 401, 'invalid_token'],
    ['a key without the scope', 'key', 'POST', '/v1/rules', RULE, 403, 'forbidden'],
    ['a bad rule', 'one', 'POST', '/v1/rules', { ...RULE, when: { type: 'rsi' } }, 400, 'bad_rule'],
    ['no object', 'one', 'POST', '/v1/rules', [], 400, 'bad_rule'],
    ['half a character', 'one', 'POST', '/v1/rules', { ...RULE, data: { a: '\ud800' } }, 400, 'bad_rule'],
    ['half a character as name', 'one', 'POST', '/v1/rules', { ...RULE, name: '\udfff' }, 400, 'bad_rule'],
    ['an unknown symbol', 'one', 'POST', '/v1/rules', { ...RULE, symbol: 'NONE' }, 400, 'unknown_symbol'],
    ['a bad id', 'one', 'GET', '/v1/rules/7', undefined, 400, 'bad_request'],
    ['a bad limit', 'one', 'GET', '/v1/rules?limit=0', undefined, 400, 'bad_request'],
    ['a bad cursor', 'one', 'GET', '/v1/rules?after=7', undefined, 400, 'bad_request'],
  ])('%s', async (_name, token, method, path, body, status, code) => {
    const answer = await send(method, path, token, body);
    expect([answer.status, answer.body.code, answer.headers['content-type']]).toEqual([
      status,
      code,
      'application/problem+json',
    ]);
  });

  test.each<[string, unknown, RegExp]>([
    ['another symbol', { symbol: 'BTCUSDT' }, /symbol of a rule stays/],
    ['an unknown member', { id: 'x' }, /^Only name, when/],
    ['a bad switch', { enabled: 'no' }, /^enabled must be true or false/],
    ['a bad condition', { when: { all: [] } }, /^when\.all must be a list/],
    ['no condition', { when: null }, /^when is missing/],
    ['no object', 7, /^Send an object/],
  ])('a change to %s', async (_name, body, detail) => {
    const { id } = (await send('POST', '/v1/rules', 'one', RULE)).body;
    const answer = await send('PATCH', `/v1/rules/${id}`, 'one', body);
    expect([answer.status, answer.body.code]).toEqual([400, 'bad_rule']);
    expect(answer.body.detail).toMatch(detail);
  });

  test('pages of other sites', async () => {
    expect((await send('POST', '/v1/rules', 'one', RULE, { origin: 'https://evil.example' })).status).toBe(403);
    expect((await send('POST', '/v1/rules', 'one', RULE, { origin: 'https://app.example.com' })).status).toBe(201);
  });

  test('what is not JSON', async () => {
    expect((await send('POST', '/v1/rules', 'one', RULE, { 'content-type': 'text/plain' })).status).toBe(415);
  });
});

test('a key with the scope may', async () => {
  expect((await send('POST', '/v1/rules', 'key-of-rules', RULE)).status).toBe(201);
});

test('when the database is away it says so and when to come back', async () => {
  isAway = true;
  expect(await send('GET', '/v1/rules', 'one')).toMatchObject({
    status: 503,
    headers: { 'retry-after': '2' },
    body: { code: 'rules_unavailable' },
  });
});
