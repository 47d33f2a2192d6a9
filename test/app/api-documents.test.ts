import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createUser } from '../../src/accounts/create-user.js';
import { SECTIONS } from '../../src/app/api-documents.js';
import type { Operation } from '../../src/http/documents/operation.js';
import { systemClock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import { openPool } from '../../src/store/relational.js';
import { type TestDatabase, testDatabase } from '../support/database.js';
import { TRADES_FILE } from '../support/oracle.js';
import { Server } from '../support/server.js';
import { OPERATIONS, Walk } from './api-walk.js';
import { eventually, get, Places } from './support.js';

interface OpenApi {
  readonly openapi: string;
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, DocumentedOperation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

interface DocumentedOperation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly schema: object;
    readonly example?: unknown;
  }[];
  readonly requestBody?: {
    readonly content: Readonly<Record<string, { readonly schema: object; readonly example: unknown }>>;
  };
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { schema: object; example?: unknown }>> }>
  >;
}

interface Tokens {
  readonly userId: string;
  readonly accessToken: string;
  readonly refreshToken: string;
}

const NOBODY = '0198f0c2-ffff-7c3d-8e4f-5a6b7c8d9e0f';
const ADMIN = { email: 'root@example.com', password: 'The-first-admin-9d1c' };
const EVIL = { origin: 'https://evil.example' };
const PLANS = JSON.stringify({
  free: { intervals: ['1m', '5m', '1h', '1d'], signalsPerDay: 8, rules: 1, signalSymbols: ['BTCUSDT'] },
  pro: {},
});

/** Documented, and not to be had from a server that is well and alone. The parts that answer them have tests of their own. */
const NOT_PROVOKED = [
  ...[...OPERATIONS.values()].flatMap(({ id, answers }) => (503 in answers ? [`${id} 503`] : [])),
  // Passwords are with an identity provider.
  ...['register', 'logIn', 'refreshTokens', 'logOut', 'changePassword'].map((id) => `${id} 404`),
  // FEEDS has no push.
  'pushTrades 404',
  // More connections, or more requests, than a test makes.
  'streamEvents 429',
  ...[...OPERATIONS.keys()].filter((id) => id.startsWith('binance')).map((id) => `${id} 429`),
];

const places = new Places();
let database: TestDatabase;
let server: Server;
let document: OpenApi;
let walk: Walk;
let admin: Tokens;
let user: Tokens;

beforeAll(async () => {
  database = await testDatabase();
  const pool = openPool({ url: database.url, log: silentLog });
  await createUser(pool, systemClock, { ...ADMIN, role: 'admin' });
  await pool.close();
  server = await Server.start({
    DATA_DIR: await places.directory(),
    DATABASE_URL: database.url,
    FEEDS: `replay:${TRADES_FILE}?symbol=BTCUSDT&speed=0;push`,
    PLANS,
  });
  document = await server.json<OpenApi>('/openapi.json');
  walk = new Walk(server, document);
  await eventually(
    () => server.json<{ symbols: { state: string }[] }>('/v1/symbols'),
    ({ symbols }) => symbols[0]?.state === 'ended',
    60_000,
  );
});
afterAll(async () => {
  await server?.stop();
  await database?.stop();
  await places.clear();
});

describe('/openapi.json', () => {
  it('is what the specification of OpenAPI 3.1 asks for', async () => {
    expect(document.openapi).toBe('3.1.1');
    expect(await new Validator().validate({ ...document })).toEqual({ valid: true });
  });

  it('has schemas that are schemas, references that resolve, and names that are there once', () => {
    const ajv = new Ajv2020({ strict: false });
    formats.default(ajv);
    ajv.addSchema(document, 'api');
    const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
    const ids = operations.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(new Set(operations.flatMap(({ tags }) => tags))).toEqual(new Set(document.tags.map(({ name }) => name)));
    const check = (schema: object, example: unknown, what: string) => {
      const absolute = JSON.parse(JSON.stringify(schema).replaceAll('"#/components', '"api#/components'));
      expect(ajv.validateSchema(absolute), what).toBe(true);
      const isRight = ajv.compile(absolute);
      if (example !== undefined) expect(isRight(example), `${what}: ${JSON.stringify(isRight.errors)}`).toBe(true);
    };
    for (const { operationId, parameters = [], requestBody, responses } of operations) {
      for (const { name, schema, example } of parameters) check(schema, example, `${operationId} ${name}`);
      for (const { schema, example } of Object.values(requestBody?.content ?? {})) check(schema, example, operationId);
      for (const { content = {} } of Object.values(responses))
        for (const { schema, example } of Object.values(content)) check(schema, example, operationId);
    }
    for (const [path, methods] of Object.entries(document.paths)) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      for (const { parameters = [] } of Object.values(methods))
        expect(parameters.filter((one) => one.in === 'path').map(({ name }) => name)).toEqual(inPath);
    }
  });

  it('has every route of the server, and each of them answers what is documented', async () => {
    const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const all = SECTIONS.flatMap(({ operations }) => operations.map(({ method, path }) => `${method} ${path}`));
    // A route that is not described makes the document fail; what is described must be there.
    expect(new Set(documented)).toEqual(new Set(all));
    for (const [path, methods] of Object.entries(document.paths)) {
      const { status, headers } = await get(server, path.replace('{id}', NOBODY), { method: 'OPTIONS' });
      expect([path, status]).toEqual([path, 204]);
      const allowed = headers
        .get('allow')
        ?.split(', ')
        .filter((name) => name !== 'HEAD' && name !== 'OPTIONS');
      expect([path, new Set(allowed)]).toEqual([path, new Set(Object.keys(methods).map((name) => name.toUpperCase()))]);
    }
  });

  it('is compressed, and not sent again', async () => {
    const headers = { 'accept-encoding': 'br' };
    const { headers: first } = await get(server, '/openapi.json', { headers });
    expect(first.get('content-encoding')).toBe('br');
    const etag = first.get('etag') ?? '';
    expect((await get(server, '/openapi.json', { headers: { ...headers, 'if-none-match': etag } })).status).toBe(304);
  });
});

describe('live answers', () => {
  it('of who may not, and of requests that are wrong', async () => {
    await walk.ask('register', 202, { body: { email: 'ann@example.com', password: 'Password-of-ann-7f3a' } });
    user = await walk.ask('logIn', 200, { body: { email: 'ann@example.com', password: 'Password-of-ann-7f3a' } });
    admin = await walk.ask('logIn', 200, { body: ADMIN });
    for (const operation of OPERATIONS.values()) await refusals(operation);
  });

  it('of market data', async () => {
    const trade = { id: 1, symbol: 'PUSHED', time: Date.now(), price: '1.5', quantity: '2', side: 'buy' };
    for (const id of ['listSymbols', 'readCandles', 'streamEvents']) await walk.ask(id, 200);
    await walk.ask('pushTrades', 200, {
      query: '',
      body: [trade, { id: 2 }],
    });
    await walk.ask('pushTrades', 200);
    await walk.ask('readCandles', 200, { query: examplesOf('readCandles', ['cursor']) });
    const page = await walk.ask<{ next: string }>('readCandles', 200, {
      query: { symbol: 'BTCUSDT', interval: '1m', from: 0, limit: 2 },
    });
    await walk.ask('readCandles', 200, {
      query: { symbol: 'BTCUSDT', interval: '1m', cursor: page.next, fill: 'none' },
    });
    await walk.ask('readCandles', 404, { query: { symbol: 'NOTHING', interval: '1m' } });
    await walk.ask('readCandles', 403, { query: { symbol: 'BTCUSDT', interval: '3m' }, token: user.accessToken });
    expect(walk.seen).toContain('readCandles 403 plan_limit');
  });

  it('of the compatible surfaces', async () => {
    for (const { id, path } of OPERATIONS.values()) {
      if (!/^\/(udf|api)\//.test(path)) continue;
      await walk.ask(id, 200);
      await walk.ask(id, 200, {
        query: examplesOf(id, path.startsWith('/udf/') ? [] : ['symbols', 'permissions', 'endTime', 'fromId']),
        token: user.accessToken,
      });
    }
    for (const query of ['type=MINI', 'symbols=["BTCUSDT"]', 'symbol=BTCUSDT'])
      await walk.ask('binanceDayTicker', 200, { query });
    await walk.ask('binanceAggTrades', 200, { query: 'symbol=BTCUSDT&fromId=1' });
    await walk.ask('binanceKlines', 401, { query: 'symbol=BTCUSDT&interval=3m' });
    const bars = { symbol: 'BTCUSDT', resolution: '1', from: 1570752000, to: 1570755600 };
    expect(await walk.ask('udfHistory', 200, { query: bars })).toMatchObject({ s: 'ok' });
    expect(await walk.ask('udfHistory', 200, { query: { ...bars, to: bars.from } })).toMatchObject({ s: 'no_data' });
    for (const id of ['udfSymbol', 'udfHistory', 'udfMarks', 'udfTimescaleMarks'])
      await walk.ask(id, 404, { query: { ...bars, symbol: 'NOTHING' } });
    await walk.ask('udfHistory', 403, { query: { ...bars, resolution: '3' } });
    await walk.ask('udfQuotes', 200, { query: 'symbols=BTCUSDT,NOTHING' });
  });

  it('of operations', async () => {
    for (const id of ['isAlive', 'isReady', 'readMetrics', 'readOpenApi', 'readAsyncApi']) await walk.ask(id, 200);
    for (const id of ['readOpenApi', 'readAsyncApi']) {
      const { headers } = await get(server, walk.operation(id).path);
      await walk.ask(id, 304, { headers: { 'if-none-match': headers.get('etag') ?? '' } });
    }
  });

  it('of signals', async () => {
    const content = { type: 'note', symbol: 'BTCUSDT' };
    const to = user.userId;
    const token = admin.accessToken;
    const one = await walk.ask<{ id: string; seq: number }>('publishSignals', 201, {
      token,
      body: { ...content, to, data: { a: 1 } },
    });
    await walk.ask('publishSignals', 200, { token, body: { ...content, to: [to, NOBODY] } });
    await walk.ask('publishSignals', 200, { token, body: { signals: [{ ...content, to, corrects: one.id }] } });
    const key = { 'idempotency-key': 'all-1' };
    await walk.ask('publishSignals', 200, { token, body: { ...content, to: 'all' }, headers: key });
    await walk.ask('publishSignals', 409, { token, body: { ...content, type: 'other', to: 'all' }, headers: key });
    await walk.ask('publishSignals', 404, { token, body: { ...content, to: NOBODY } });
    await walk.ask('publishSignals', 200, {
      token,
      body: { signals: Array.from({ length: 10 }, () => ({ ...content, to })) },
    });
    await walk.ask('publishSignals', 429, { token, body: { ...content, to } });
    const mine = { token: user.accessToken };
    const { next } = await walk.ask<{ next: string }>('listSignals', 200, { ...mine, query: 'limit=1&unread=true' });
    await walk.ask('listSignals', 200, { ...mine, query: { cursor: next, symbol: 'BTCUSDT' } });
    await walk.ask('readSignal', 200, { ...mine, path: one.id });
    await walk.ask('readSignalsTo', 200, { ...mine, body: { seq: one.seq } });
    await walk.ask('listSignals', 200, mine);
    const from = Math.floor(Date.now() / 1000) - 600;
    const marks = { symbol: 'BTCUSDT', resolution: '1', from, to: from + 1200 };
    for (const id of ['udfMarks', 'udfTimescaleMarks']) await walk.ask(id, 200, { ...mine, query: marks });
    await walk.ask('deleteSignal', 204, { ...mine, path: one.id });
  });

  it('of rules', async () => {
    const token = user.accessToken;
    const example = walk.operation('createRule').body?.example as object;
    const { id } = await walk.ask<{ id: string }>('createRule', 201, { token });
    await walk.ask('createRule', 403, { token });
    for (const change of [{ interval: '3m' }, { symbol: 'ETHUSDT' }])
      await walk.ask('createRule', 403, { token, body: { ...example, ...change } });
    await walk.ask('createRule', 400, {
      token: admin.accessToken,
      body: { ...example, symbol: 'BTCUSDT', when: { type: 'price' } },
    });
    expect([...walk.seen]).toEqual(
      expect.arrayContaining(
        ['rule_limit', 'interval_not_in_plan', 'symbol_not_in_plan'].map((code) => `createRule 403 ${code}`),
      ),
    );
    await walk.ask('listRules', 200, { token, query: 'limit=1' });
    await walk.ask('readRule', 200, { token, path: id });
    await walk.ask('changeRule', 200, { token, path: id });
    const changes = {
      name: null,
      when: { any: [{ type: 'atr', period: 14, op: 'above', percentOfClose: 1 }] },
      data: { a: 1 },
      expiresAt: 1893456000000,
    };
    await walk.ask('changeRule', 200, { token, path: id, body: changes });
    await walk.ask('deleteRule', 204, { token, path: id });
  });

  it('of accounts', async () => {
    const token = user.accessToken;
    await walk.ask('whoAmI', 200, { token });
    const key = await walk.ask<{ id: string; key: string }>('createKey', 201, { token });
    await walk.ask('whoAmI', 200, { token: key.key });
    await walk.ask('listKeys', 403, { token: key.key });
    await walk.ask('createKey', 403, { token, body: { name: 'bot', scopes: ['signals:write'] } });
    expect(walk.seen).toContain('createKey 403 scope_not_allowed');
    await walk.ask('listKeys', 200, { token });
    const other = await walk.ask<{ id: string; key: string }>('createKey', 201, {
      token,
      body: { name: 'rules', scopes: ['rules'] },
    });
    const bars = { symbol: 'BTCUSDT', resolution: '1', from: 0, to: 1 };
    for (const id of ['udfMarks', 'udfTimescaleMarks']) await walk.ask(id, 403, { token: other.key, query: bars });
    await walk.ask('udfQuotes', 403, { token: other.key });
    await walk.ask('revokeKey', 204, { token, path: key.id });
    for (let i = 1; i < 50; i++) await walk.ask('createKey', 201, { token, body: { name: `${i}`, scopes: ['rules'] } });
    await walk.ask('createKey', 409, { token });
    const fresh = await walk.ask<Tokens>('refreshTokens', 200, { body: { refreshToken: user.refreshToken } });
    await walk.ask('refreshTokens', 409, { body: { refreshToken: user.refreshToken } });
    const password = { currentPassword: 'Password-of-ann-7f3a', newPassword: 'Another-of-ann-7f3a' };
    await walk.ask('changePassword', 204, { token: fresh.accessToken, body: password });
    await walk.ask('logOut', 204, { token: fresh.accessToken });
    expect(
      (await get<{ code: string }>(server, '/v1/auth/me', { headers: { authorization: `Bearer ${token}` } })).body.code,
    ).toBe('revoked');
  });

  it('of users', async () => {
    const { accessToken: token, userId: own } = admin;
    const path = user.userId;
    await walk.ask('listUsers', 200, { token, query: 'limit=1&email=example' });
    await walk.ask('setRole', 204, { token, path });
    await walk.ask('setSubscription', 200, { token, path });
    await walk.ask('setSubscription', 400, { token, path, body: { plan: 'none' } });
    await walk.ask('readUser', 200, { token, path });
    await walk.ask('cancelSubscription', 204, { token, path });
    for (const id of ['setRole', 'deleteUser']) await walk.ask(id, 409, { token, path: own });
    await walk.ask('deleteUser', 204, { token, path });
  });

  it('of too many attempts', async () => {
    const currentPassword = 'wrong';
    const wrong = { token: admin.accessToken, body: { currentPassword, newPassword: 'Another-of-root-7f3a' } };
    for (let i = 0; i < 5; i++) await walk.ask('changePassword', 401, wrong);
    await walk.ask('changePassword', 429, wrong);
    for (let i = 0; i < 5; i++) await walk.ask('logIn', 401, { body: { ...ADMIN, password: 'wrong' } });
    await walk.ask('logIn', 429, { body: { ...ADMIN, password: 'wrong' } });
    const account = { email: 'bob@example.com', password: 'Password-of-bob-7f3a' };
    for (let i = 1; i < 20; i++) await walk.ask('register', 202, { body: account });
    await walk.ask('register', 429, { body: account });
  });

  it('are all that is documented, but for what is named here', () => {
    const documented = [...OPERATIONS.values()].flatMap(({ id, answers }) =>
      Object.keys(answers).map((status) => `${id} ${status}`),
    );
    expect(documented.filter((one) => !walk.seen.has(one)).sort()).toEqual([...NOT_PROVOKED].sort());
  });
});

/** What every operation refuses alike, as far as it is documented. */
async function refusals({ id, path, access, answers, parameters, body }: Operation): Promise<void> {
  const isNative = !/^\/(udf|api)\//.test(path);
  const isUsers = typeof access === 'object';
  const token = isUsers ? { token: admin.accessToken } : {};
  const one = path.includes('{id}') ? { path: NOBODY } : {};
  if (401 in answers && isUsers) await walk.ask(id, 401, one);
  if (401 in answers && access !== 'everybody') await walk.ask(id, 401, { ...one, token: 'nonsense' });
  if (403 in answers && isNative && id !== 'readCandles') await walk.ask(id, 403, { ...one, ...token, headers: EVIL });
  if (403 in answers && isUsers && access.roles !== undefined)
    await walk.ask(id, 403, { ...one, token: user.accessToken });
  if (400 in answers && path.includes('{id}')) await walk.ask(id, 400, { ...token, path: 'nonsense' });
  else if (400 in answers && body === undefined && isNative) await walk.ask(id, 400, { ...token, query: 'nonsense=1' });
  else if (400 in answers && path.startsWith('/api/')) await walk.ask(id, 400, { query: 'nonsense=1' });
  else if (400 in answers && parameters !== undefined && !isNative)
    await walk.ask(id, 400, { query: 'limit=x&symbol=' });
  if (404 in answers && path.includes('{id}')) await walk.ask(id, 404, { ...token, ...one });
  if (body === undefined) return;
  await walk.ask(id, 400, { ...token, ...one, body: '{' });
  if (id === 'refreshTokens') await walk.ask(id, 401);
  await walk.ask(id, 415, { ...token, ...one, headers: { 'content-type': 'text/plain' } });
  await walk.ask(id, 413, { ...token, ...one, body: tooLarge(id) });
}

function tooLarge(id: string): string {
  if (id === 'pushTrades') return JSON.stringify(Array.from({ length: 10_001 }, () => 1));
  return JSON.stringify({ text: 'x'.repeat(id === 'publishSignals' ? 1_100_000 : 20_000) });
}

function examplesOf(id: string, without: readonly string[]): Record<string, string> {
  const examples = Object.entries(walk.operation(id).parameters ?? {}).filter(
    ([name, { example }]) => example !== undefined && !without.includes(name),
  );
  return Object.fromEntries(examples.map(([name, { example }]) => [name, String(example)]));
}
