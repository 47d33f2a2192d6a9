import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ServerMessage } from '../../src/wire/messages.js';
import { TestClient } from '../gateway/client.js';
import { testDataDir } from '../support/database.js';
import { TRADES_FILE } from '../support/oracle.js';
import { Program, Server } from '../support/server.js';
import { get, Places } from './support.js';

type SignalMessage = Extract<ServerMessage, { type: 'signal' }>;

interface Tokens {
  readonly userId: string;
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly deviceToken: string;
}

const places = new Places();
/** Everything that must not be in a log. */
const canaries: string[] = [];
const logs: Program[] = [];
let directory: string;
let server: Server;

/** Two and a half days of trades in a good minute: candles close all the time. */
const env = () => ({
  DATA_DIR: directory,
  FEEDS: `replay:${TRADES_FILE}?speed=3000&symbol=XRPETH`,
  LOG_LEVEL: 'trace',
});

async function start(): Promise<Server> {
  const started = await Server.start(env());
  logs.push(started);
  return started;
}

function secret<T extends string>(text: T): T {
  canaries.push(text);
  return text;
}

async function call<T>(
  path: string,
  body: unknown,
  token?: string,
  method = 'POST',
  more: Record<string, string> = {},
) {
  const headers: Record<string, string> = { 'content-type': 'application/json', ...more };
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  return get<T>(server, path, { method, headers, ...(body === null ? {} : { body: JSON.stringify(body) }) });
}

async function login(email: string, password: string): Promise<Tokens> {
  const { status, body } = await call<Tokens>('/v1/auth/login', { email, password, device: 'test' });
  expect(status).toBe(200);
  for (const token of [body.accessToken, body.refreshToken, body.deviceToken]) secret(token);
  return body;
}

async function register(email: string): Promise<Tokens> {
  const password = secret(`Password-of-${email}-7f3a`);
  expect((await call('/v1/auth/register', { email, password })).status).toBe(202);
  return login(email, password);
}

async function connect(token: string, device: string, position?: object): Promise<TestClient> {
  const client = await TestClient.connect(server.port);
  client.send({ op: 'auth', token });
  await client.type('authenticated');
  client.send({ op: 'subscribe', channels: [{ channel: 'signals', device, ...(position ? { position } : {}) }] });
  await client.type('subscribed');
  return client;
}

const signals = (client: TestClient): SignalMessage[] => client.all('signal');
const typesOf = (client: TestClient): string[] => signals(client).map(({ signal }) => signal.type);

beforeAll(async () => {
  directory = await testDataDir();
  places.keep(directory);
  const password = secret('The-first-admin-9d1c');
  const create = new Program(
    ['user', 'create', 'root@example.com', '--role', 'admin'],
    { ...env(), PORT: '0' },
    `${password}\n`,
  );
  logs.push(create);
  expect(await create.exited()).toBe(0);
  server = await start();
});

afterAll(async () => {
  await server?.stop();
  await places.clear();
});

it('each user’s signals, published and of rules, reach all connections of that user and nobody else; nothing secret is logged', async () => {
  const root = await login('root@example.com', 'The-first-admin-9d1c');
  const ann = await register('ann@example.com');
  const bob = await register('bob@example.com');
  const [ann1, ann2, bob1] = [
    await connect(ann.accessToken, 'desk'),
    await connect(ann.accessToken, 'phone'),
    await connect(bob.accessToken, 'desk'),
  ];

  // To one user, and to everybody; only by publishers.
  const one = { type: 'breakout', symbol: 'XRPETH', to: ann.userId, data: { price: '0.0014' } };
  expect((await call('/v1/signals', one, bob.accessToken)).status).toBe(403);
  expect((await call('/v1/signals', one, root.accessToken)).status).toBe(201);
  await ann1.type('signal');
  await ann2.type('signal');
  const all = { type: 'notice', symbol: 'XRPETH', to: 'all' };
  const sent = await call('/v1/signals', all, root.accessToken, 'POST', { 'idempotency-key': 'notice-1' });
  expect(sent.body).toEqual({ written: 3, refused: 0 });
  await bob1.type('signal');
  await ann1.until((m) => m.type === 'signal' && m.signal.type === 'notice');
  expect(typesOf(bob1)).toEqual(['notice']);

  // A rule of Ann's, over an API key, fires at the next close.
  const made = await call<{ key: string }>('/v1/auth/keys', { name: 'bot', scopes: ['rules'] }, ann.accessToken);
  const key = secret(made.body.key);
  const when = { type: 'price', op: 'above', level: '0.00000001' };
  // The market runs faster than the clock: the rule must not fire again.
  const rule = { symbol: 'XRPETH', interval: '1m', when, cooldownMs: 366 * 86_400_000 };
  expect((await call('/v1/rules', rule, key)).status).toBe(201);
  expect((await call('/v1/rules', { ...rule, symbol: 'NOTHING' }, key)).body).toMatchObject({ code: 'unknown_symbol' });
  expect((await call('/v1/signals', null, key, 'GET')).status).toBe(403);
  const isFiring = (m: ServerMessage): boolean => m.type === 'signal' && m.signal.source === 'rule';
  await ann1.until(isFiring);
  await ann2.until(isFiring);
  await bob1.sync();
  expect(typesOf(bob1)).toEqual(['notice']);

  // Acknowledged, read, deleted.
  const last = signals(ann1).at(-1)?.seq ?? 0;
  ann1.send({ op: 'ack', channel: 'signals', seq: last, id: 'a' });
  await ann1.until((m) => m.type === 'acked');
  const list = await call<{ signals: { id: string; readAt: number | null }[] }>(
    '/v1/signals?unread=true',
    null,
    ann.accessToken,
    'GET',
  );
  expect(list.body.signals.length).toBe(last);

  // The whole of a user goes with the user.
  expect((await call(`/v1/auth/users/${bob.userId}`, null, root.accessToken, 'DELETE')).status).toBe(204);
  expect(await bob1.closed()).toBe(4103);
  expect((await call('/v1/signals', { ...one, to: bob.userId }, root.accessToken)).body).toMatchObject({
    code: 'unknown_user',
  });

  // Logging out ends the connections of that session.
  const other = await login('ann@example.com', 'Password-of-ann@example.com-7f3a');
  const ann3 = await connect(other.accessToken, 'tablet');
  expect((await call('/v1/auth/logout', {}, ann.accessToken)).status).toBe(204);
  expect([await ann1.closed(), await ann2.closed()]).toEqual([4103, 4103]);
  await ann3.sync();
  expect(ann3.closeCode).toBeNull();
  expect((await call('/v1/auth/refresh', { refreshToken: ann.refreshToken })).status).toBe(401);

  // Another run of the server: what was missed comes, and rules go on.
  const position = { epoch: signals(ann2)[0]?.epoch ?? 0, seq: signals(ann2)[0]?.seq ?? 0 };
  expect(await server.stop()).toBe(0);
  server = await start();
  const again = await connect(other.accessToken, 'desk', position);
  const page = await again.type('signals');
  expect(page.prev).toBe(position.seq);
  const missed = signals(ann2).slice(1);
  expect(page.signals.slice(0, missed.length).map(({ id }) => id)).toEqual(missed.map(({ signal }) => signal.id));

  // Every counter is there, and nothing that is a secret was written anywhere.
  const metrics = (await get<string>(server, '/metrics')).body;
  for (const name of ['connections_authenticated', 'tokens_checked_total', 'rule_series', 'signal_users'])
    expect(metrics).toContain(`candlecast_${name}`);
  await server.stop();
  const written = logs.map((program) => program.output).join('\n');
  expect(written).toContain('API key made');
  expect(canaries.filter((canary) => written.includes(canary))).toEqual([]);
  expect(canaries.filter((canary) => metrics.includes(canary))).toEqual([]);
});
