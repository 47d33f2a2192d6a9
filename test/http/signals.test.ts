import { afterAll, beforeAll, expect, it } from 'vitest';
import { createRouter } from '../../src/http/router.js';
import { signalRoutes } from '../../src/http/signals.js';
import { AudiencePublisher } from '../../src/signals/audience.js';
import { Desk, type SignalLimit } from '../../src/signals/desk.js';
import { LocalHints } from '../../src/signals/hints.js';
import { newSignalId } from '../../src/signals/ids.js';
import { Signals } from '../../src/signals/signals.js';
import { SignalStore } from '../../src/signals/store.js';
import type { AuthResult, Scope, UserRole } from '../../src/wire/identity.js';
import { listedSignal } from '../../src/wire/signals.js';
import { Lines } from '../bus/redis-bus.js';
import { ManualClock } from '../feed/manual-clock.js';
import { audienceOf, SignalsDatabase, signalFor } from '../signals/support.js';
import { bodyOf, request } from './requests.js';

const NOON = Date.UTC(2026, 2, 1, 12);
const FREE: SignalLimit = { plan: 'free', signalsPerDay: 3 };

let database: SignalsDatabase;
let handle: ReturnType<typeof createRouter>;
let publisher = '';
const log = new Lines();
beforeAll(async () => {
  database = await SignalsDatabase.start('embedded');
  publisher = await database.user();
  handle = routerOver(database.sql);
});
afterAll(() => database?.stop());

function routerOver(sql: SignalsDatabase['sql']) {
  const clock = new ManualClock(NOON);
  const store = new SignalStore(sql, clock);
  const signals = new Signals({ store, hints: new LocalHints() });
  const audience = new AudiencePublisher({ sql, sink: signals, audience: audienceOf(sql, FREE.signalsPerDay), clock });
  const limits = async (ids: readonly string[]) => {
    const { rows } = await sql.query<{ id: string }>('SELECT id FROM users WHERE id = ANY ($1)', [ids]);
    return new Map(rows.map(({ id }) => [id, FREE]));
  };
  const routes = signalRoutes(signals, new Desk(signals, { limits }, audience), {
    auth: { authenticate },
    allowedOrigins: [],
    log,
  });
  return createRouter(routes);
}

/** A token says who it is: `user~role[~scope+scope]`. */
async function authenticate(token: string): Promise<AuthResult> {
  const [userId = '', role, scopes] = token.split('~');
  if (role === undefined) return { failure: 'invalid_token' };
  return {
    userId,
    role: role as UserRole,
    scopes: scopes === undefined ? null : (scopes.replaceAll('.', ':').split('+') as Scope[]),
    sessionId: null,
    keyId: null,
    expiresAt: null,
    entitlements: {
      plan: 'free',
      connections: 1,
      channels: 1,
      historyDays: 1,
      intervals: null,
      signalsPerDay: 3,
      signalSymbols: null,
      rules: 0,
    },
  };
}

async function call(method: string, url: string, token: string, body?: unknown, headers: Record<string, string> = {}) {
  const all = { 'content-type': 'application/json', authorization: `Bearer ${token}`, ...headers };
  const response = await handle(request(method, url, all, body === undefined ? '' : JSON.stringify(body)));
  return { status: response.status, headers: response.headers, body: response.body === '' ? null : bodyOf(response) };
}

const post = (body: unknown, headers: Record<string, string> = {}, token = `${publisher}~publisher`) =>
  call('POST', '/v1/signals', token, body, headers);
const mine = (user: string, query = '') => call('GET', `/v1/signals${query}`, `${user}~user`);
const content = { type: 'breakout', symbol: 'BTCUSDT', data: { price: '1.5' } };

it('a signal to one user', async () => {
  const user = await database.user();
  const corrects = newSignalId();
  const { status, body } = await post({ ...content, to: user.toUpperCase(), expiresAt: NOON + 5, corrects });
  expect([status, body]).toEqual([201, { id: expect.any(String), user, seq: 1 }]);
  const list = await mine(user);
  expect(list.body).toEqual({
    signals: [
      {
        ...content,
        id: body.id,
        seq: 1,
        createdAt: NOON,
        expiresAt: NOON + 5,
        readAt: null,
        source: 'publisher',
        corrects,
      },
    ],
    next: null,
  });
  expect(listedSignal.parse(list.body.signals[0])).toEqual(list.body.signals[0]);
  expect(list.headers['cache-control']).toBe('no-store');
});

it('to some users, and in bulk: what was not delivered is named', async () => {
  const [a = '', b = ''] = await database.users(2);
  const nobody = newSignalId();
  const list = await post({ ...content, to: [a, nobody, b, a] });
  expect(list.status).toBe(200);
  expect(list.body.delivered.map(({ user, seq }: { user: string; seq: number }) => [user, seq])).toEqual([
    [a, 1],
    [b, 1],
  ]);
  expect(list.body.refused).toEqual([{ index: 0, user: nobody, code: 'unknown_user' }]);
  const bulk = await post({ signals: [a, b, a, [a, b]].map((to) => ({ ...content, to })) });
  expect(bulk.body.delivered.map(({ index, user }: { index: number; user: string }) => [index, user])).toEqual([
    [0, a],
    [1, b],
    [2, a],
    [3, b],
  ]);
  expect(bulk.body.refused).toEqual([{ index: 3, user: a, code: 'daily_limit', plan: 'free', limit: 3 }]);
});

it('a refused single one is a problem that names the plan and its limit', async () => {
  const user = await database.user();
  for (let i = 0; i < 3; i++) expect((await post({ ...content, to: user })).status).toBe(201);
  const { status, body } = await post({ ...content, to: user });
  expect([status, body]).toEqual([
    429,
    {
      type: 'about:blank',
      title: 'Daily limit reached',
      status: 429,
      detail: 'The plan free of this user gives 3 signals a day (UTC).',
      code: 'daily_limit',
      plan: 'free',
      limit: 3,
    },
  ]);
  expect((await post({ ...content, to: newSignalId() })).body).toMatchObject({ status: 404, code: 'unknown_user' });
});

it('the same request is answered the same, another one under its key is refused', async () => {
  const user = await database.user();
  const key = { 'idempotency-key': 'order 1' };
  const first = await post({ ...content, to: user }, key);
  const again = await post({ ...content, to: user }, key);
  expect(again.body).toEqual(first.body);
  expect([first.headers['idempotent-replayed'], again.headers['idempotent-replayed']]).toEqual([undefined, 'true']);
  const other = await post({ ...content, to: user, type: 'other' }, key);
  expect([other.status, other.body.code]).toEqual([409, 'key_reused']);
  const elsewhere = await post({ ...content, to: user, type: 'other' }, key, `${await database.user()}~admin`);
  expect(elsewhere.status).toBe(201);
});

it('to all whose plan has it: once each, however often it is sent', async () => {
  const before = (await database.sql.query<{ id: string }>('SELECT id FROM users')).rows.map(({ id }) => id);
  const key = { 'idempotency-key': 'all 1' };
  const first = await post({ ...content, to: 'all' }, key);
  expect([first.status, first.body.written + first.body.refused]).toEqual([200, before.length]);
  expect(await post({ ...content, to: 'all' }, key)).toMatchObject({ status: 200, body: first.body });
  expect((await post({ ...content, to: 'all', type: 'x' }, key)).status).toBe(409);
  expect((await post({ ...content, to: 'all' })).body.detail).toContain('Idempotency-Key');
});

it('pages, filters, and marks read', async () => {
  const user = await database.user();
  const store = new SignalStore(database.sql, new ManualClock(NOON));
  const symbols = ['BTCUSDT', 'ETHUSDT', 'BTCUSDT', 'ETHUSDT', 'BTCUSDT'];
  const { stored } = await store.insert(symbols.map((symbol) => signalFor(user, { symbol })));
  const seqs = ({ body }: Awaited<ReturnType<typeof mine>>) => body.signals.map(({ seq }: { seq: number }) => seq);
  const first = await mine(user, '?limit=2');
  expect(seqs(first)).toEqual([5, 4]);
  const second = await mine(user, `?limit=2&cursor=${first.body.next}`);
  const third = await mine(user, `?limit=2&cursor=${second.body.next}`);
  expect([seqs(second), seqs(third), third.body.next]).toEqual([[3, 2], [1], null]);
  expect((await mine(user, '?limit=5')).body.next).toBeNull();
  expect(seqs(await mine(user, '?symbol=ETHUSDT'))).toEqual([4, 2]);
  const read = await call('POST', `/v1/signals/${stored[4]?.id}/read`, `${user}~user`);
  expect(read).toMatchObject({ status: 200, body: { id: stored[4]?.id, readAt: NOON } });
  expect((await call('POST', '/v1/signals/read', `${user}~user`, { seq: 2 })).body).toEqual({ seq: 2 });
  expect(seqs(await mine(user, '?unread=true'))).toEqual([4, 3]);
  const id = stored[2]?.id;
  expect((await call('DELETE', `/v1/signals/${id}`, `${user}~user`)).status).toBe(204);
  expect((await call('DELETE', `/v1/signals/${id}`, `${user}~user`)).body.code).toBe('not_found');
  expect((await call('POST', `/v1/signals/${id}/read`, `${user}~user`)).body.code).toBe('not_found');
  expect(seqs(await mine(user))).toEqual([5, 4, 2, 1]);
});

it('nobody sees or touches what is another’s', async () => {
  const [owner = '', other = ''] = await database.users(2);
  const { body } = await post({ ...content, to: owner });
  expect((await mine(other)).body.signals).toEqual([]);
  for (const token of [`${other}~user`, `${other}~admin`]) {
    expect((await call('DELETE', `/v1/signals/${body.id}`, token)).status).toBe(404);
    expect((await call('POST', `/v1/signals/${body.id}/read`, token)).status).toBe(404);
  }
  expect((await mine(owner)).body.signals).toHaveLength(1);
});

it('roles and scopes', async () => {
  const user = await database.user();
  const body = { ...content, to: user };
  const statuses = async (...tokens: string[]) => {
    const answers = [];
    for (const token of tokens) answers.push((await post(body, {}, token)).status);
    return answers;
  };
  expect(
    await statuses('nobody', `${user}~user`, `${user}~user~signals.write`, `${publisher}~publisher~rules`),
  ).toEqual([401, 403, 403, 403]);
  expect(await statuses(`${publisher}~publisher~signals.write`, `${publisher}~admin`)).toEqual([201, 201]);
  const get = async (token: string) => (await call('GET', '/v1/signals', token)).status;
  expect([await get('x'), await get(`${user}~user~rules`), await get(`${user}~user~signals.read`)]).toEqual([
    401, 403, 200,
  ]);
  const id = newSignalId();
  expect((await call('DELETE', `/v1/signals/${id}`, `${user}~user~signals.read`)).status).toBe(403);
  const foreign = await call('GET', '/v1/signals', `${user}~user`, undefined, { origin: 'https://evil.example' });
  expect(foreign.body.code).toBe('origin_not_allowed');
});

it.each<[string, object, RegExp]>([
  ['no type', { type: undefined }, /"type"/],
  ['a type with spaces', { type: 'a b' }, /"type"/],
  ['a symbol in lower case', { symbol: 'btcusdt' }, /"symbol"/],
  ['data that is no object', { data: [1] }, /"data"/],
  ['NUL in data', { data: { a: 'x\u0000' } }, /"data"/],
  ['NUL in a name', { data: { 'x\u0000': 1 } }, /"data"/],
  ['half a character', { data: { a: '\ud800' } }, /"data"/],
  ['large data', { data: { a: 'x'.repeat(5000) } }, /"data"/],
  ['deep data', { data: { a: JSON.parse(`${'['.repeat(500)}${']'.repeat(500)}`) } }, /"data"/],
  ['an expiry in seconds', { expiresAt: 1_772_366_400 }, /"expiresAt"/],
  ['an expiry that is no time', { expiresAt: 1e18 }, /"expiresAt"/],
  ['nobody', { to: [] }, /"to"/],
  ['somebody who is no UUID', { to: 'me' }, /"to"/],
  ['too many', { to: Array.from({ length: 1001 }, () => newSignalId()) }, /"to"/],
  ['an unknown field', { userId: 'x' }, /not known/],
])('refuses %s', async (_, wrong, said) => {
  const { status, body } = await post({ ...content, to: publisher, ...wrong });
  expect([status, body.detail]).toEqual([400, expect.stringMatching(said)]);
});

it('takes data that only looks dangerous, and gives it back', async () => {
  const user = await database.user();
  const data = {
    '\\u0000': '\\ud800',
    text: '\u2028 {NULL} "\\"',
    emoji: '🚀',
    __proto: { constructor: 1 },
    n: [1e-7, 2 ** 53],
  };
  expect((await post({ ...content, data, to: user })).status).toBe(201);
  expect((await mine(user)).body.signals[0].data).toEqual(data);
});

it('refuses more than 1,000 in all, wrong keys and wrong queries', async () => {
  const users = Array.from({ length: 600 }, () => newSignalId());
  const both = await post({ signals: [users, users].map((to) => ({ ...content, to })) });
  expect([both.status, both.body.detail]).toEqual([400, expect.stringContaining('1200')]);
  expect((await post({ ...content, to: publisher }, { 'idempotency-key': 'é' })).status).toBe(400);
  for (const query of ['?cursor=x', '?limit=0', '?unread=maybe', '?symbol=b', '?from=1'])
    expect([query, (await mine(publisher, query)).status]).toEqual([query, 400]);
  expect((await call('POST', '/v1/signals/1/read', `${publisher}~user`)).status).toBe(400);
  expect((await call('POST', '/v1/signals/read', `${publisher}~user`, { seq: -1 })).status).toBe(400);
});

it('says 503 while the database is away, and logs nothing that was sent', async () => {
  const whole = handle;
  handle = routerOver({
    ...database.sql,
    query: async () => {
      throw new Error('no answer');
    },
  });
  try {
    const sent = await post({ ...content, type: 'canary', to: publisher });
    expect([sent.status, sent.body.code, sent.headers['retry-after']]).toEqual([503, 'signals_unavailable', '2']);
    expect((await mine(publisher)).status).toBe(503);
    expect(log.count(/canary/)).toBe(0);
  } finally {
    handle = whole;
  }
});
