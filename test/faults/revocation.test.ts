import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sql } from '../../src/store/relational.js';
import type { UserRole } from '../../src/wire/identity.js';
import type { ServerMessage } from '../../src/wire/messages.js';
import { eventually, get } from '../app/support.js';
import { TestClient } from '../gateway/client.js';
import { JWT_SECRET, PASSWORD, TestAccounts, type TestUser } from './kit/accounts.js';
import { Cluster } from './kit/cluster.js';
import { Distribution, report } from './kit/measure.js';
import type { ClusterNode } from './kit/node.js';
import { explainFailure, full, times } from './kit/scenario.js';
import { within } from './kit/within.js';

/** Of each kind. */
const REPETITIONS = times(5, 40);
const SQL_REPETITIONS = times(1, 10);
const TARGET_MS = 1000;
/** Where nobody announces a change, nodes look for it. */
const FOUND_MAX_MS = 10_000;
const LIMIT_MS = 60_000;
const ENDED = 4103;
const TOO_MANY = 4105;
const PLANS = JSON.stringify({ free: { connections: 1 }, pro: { connections: 10 } });

let cluster: Cluster;
let accounts: TestAccounts;
let admin: TestUser;

/** What becomes of a connection on another node. */
type Effect = (client: TestClient) => Promise<unknown>;

interface Kind {
  readonly role?: UserRole;
  /** Whom the connection proves to be. */
  readonly as?: 'key';
  /** Over HTTP, on whichever node. */
  readonly act: (node: ClusterNode, user: TestUser) => Promise<number>;
  /** The same by hand. */
  readonly sql: (sql: Sql, user: TestUser) => Promise<unknown>;
  readonly effect: Effect;
  /** What the token is answered afterwards, on whichever node; null: it goes on. */
  readonly afterwards: 'token_revoked' | null;
}

async function call(node: ClusterNode, method: string, path: string, token: string, body?: object): Promise<number> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const { status } = await get(node.server, path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  return status;
}

const ends: Effect = async (client) => expect(await client.closed()).toBe(ENDED);
/** The first `authenticated` answers; the next one tells of a change. */
const told =
  (change: { role?: UserRole; plan?: string }): Effect =>
  async (client) => {
    const news = await client.until((m) => m.type === 'authenticated' && m.id === undefined);
    expect(news).toMatchObject(change);
  };

const KINDS: Readonly<Record<string, Kind>> = {
  logout: {
    act: (node, { accessToken }) => call(node, 'POST', '/v1/auth/logout', accessToken, {}),
    sql: (sql, { sessionId }) => sql.query('UPDATE sessions SET revoked_at = now() WHERE id = $1', [sessionId]),
    effect: ends,
    afterwards: 'token_revoked',
  },
  'password changed': {
    act: async (node, user) => {
      // Whoever changes the password stays logged in, so it is another device that does.
      const { accessToken } = await accounts.session(user);
      const change = { currentPassword: PASSWORD, newPassword: 'Another-password-91ab' };
      return call(node, 'POST', '/v1/auth/password', accessToken, change);
    },
    sql: (sql, { id }) => sql.query(`UPDATE users SET password_hash = 'x' WHERE id = $1`, [id]),
    effect: ends,
    afterwards: 'token_revoked',
  },
  'role changed': {
    role: 'publisher',
    act: (node, { id }) =>
      call(node, 'PUT', `/v1/auth/users/${id}/role`, admin.accessToken, { role: 'user' satisfies UserRole }),
    sql: (sql, { id }) => sql.query(`UPDATE users SET role = 'user' WHERE id = $1`, [id]),
    effect: told({ role: 'user' }),
    afterwards: null,
  },
  'plan changed': {
    act: (node, { id }) => call(node, 'PUT', `/v1/auth/users/${id}/subscription`, admin.accessToken, { plan: 'free' }),
    sql: (sql, { id }) => sql.query(`UPDATE subscriptions SET status = 'cancelled' WHERE user_id = $1`, [id]),
    effect: told({ plan: 'free' }),
    afterwards: null,
  },
  'API key revoked': {
    as: 'key',
    act: (node, { keyId, accessToken }) => call(node, 'DELETE', `/v1/auth/keys/${keyId}`, accessToken),
    sql: (sql, { keyId }) => sql.query('UPDATE api_keys SET revoked_at = now() WHERE id = $1', [keyId]),
    effect: ends,
    afterwards: 'token_revoked',
  },
  'user deleted': {
    act: (node, { id }) => call(node, 'DELETE', `/v1/auth/users/${id}`, admin.accessToken),
    sql: (sql, { id }) => sql.query('DELETE FROM users WHERE id = $1', [id]),
    effect: ends,
    afterwards: 'token_revoked',
  },
};

async function connect(node: ClusterNode, token: string): Promise<TestClient> {
  const client = await TestClient.connect(node.port);
  client.send({ op: 'auth', id: 'auth', token });
  client.send({ op: 'subscribe', channels: ['signals'] });
  await client.type('authenticated');
  await client.type('subscribed');
  return client;
}

/** What a node says to the token now. */
async function answerTo(node: ClusterNode, token: string): Promise<ServerMessage> {
  const client = await TestClient.connect(node.port);
  client.send({ op: 'auth', id: 'auth', token });
  const answer = await client.until((m) => m.type === 'authenticated' || m.type === 'error');
  client.socket.terminate();
  return answer;
}

const tokenOf = (user: TestUser, { as }: Kind): string => (as === 'key' ? user.key : user.accessToken);

/** Two nodes, in turn: the one that is told, and the one that has the socket. */
function nodes(turn: number): [ClusterNode, ClusterNode] {
  const [first, second] = cluster.gateways;
  if (first === undefined || second === undefined) throw new Error('there are two gateways');
  return turn % 2 === 0 ? [first, second] : [second, first];
}

/** One user's connection, changed by `act`. @returns ms from the beginning of `act` to its effect on another node. */
async function revoke(kind: Kind, turn: number, act: (node: ClusterNode, user: TestUser) => Promise<unknown>) {
  const [told, other] = nodes(turn);
  const [user, bystander] = await accounts.make(2, { role: kind.role ?? 'user' });
  if (user === undefined || bystander === undefined) throw new Error('there are two users');
  const token = tokenOf(user, kind);
  const client = await connect(other, token);
  const beside = await connect(other, tokenOf(bystander, kind));
  const began = performance.now();
  const effect = kind.effect(client).then(() => performance.now() - began);
  await act(told, user);
  const took = await within(LIMIT_MS, 'it takes hold', effect);
  if (kind.afterwards !== null)
    for (const node of [told, other])
      expect(await answerTo(node, token)).toMatchObject({ type: 'error', code: kind.afterwards });
  // Nobody else's.
  await beside.sync();
  expect(beside.closeCode).toBeNull();
  expect(beside.all('authenticated').length).toBe(1);
  for (const { socket } of [client, beside]) socket.terminate();
  return took;
}

beforeAll(async () => {
  const env = { JWT_SECRET, PLANS };
  cluster = await Cluster.start({ ingest: 0, gateways: 2, symbols: [], speed: 1, env });
  accounts = await TestAccounts.in(cluster.database);
  const [made] = await accounts.make(1, { role: 'admin' });
  if (made === undefined) throw new Error('nobody is an administrator');
  admin = made;
});
afterAll(async () => {
  await accounts?.stop();
  await cluster?.stop();
});

describe('what a connection on one node may do is changed on another', () => {
  it.each(Object.entries(KINDS))(
    `%s, ${REPETITIONS} times`,
    { timeout: 60_000 + REPETITIONS * 5000 },
    async (name, kind) => {
      explainFailure(`revocation-${name.replaceAll(' ', '-')}`, () => cluster);
      const took = new Distribution();
      for (let turn = 0; turn < REPETITIONS; turn++)
        took.add(
          await revoke(kind, turn, async (node, user) => expect([200, 204]).toContain(await kind.act(node, user))),
        );
      await report(`Revocation: ${name}`, { 'ms from the request to its effect on another node': took });
      if (full) expect(took.percentile(99)).toBeLessThanOrEqual(TARGET_MS);
    },
  );

  it(`a plan with fewer connections closes those above it, ${REPETITIONS} times`, {
    timeout: 60_000 + REPETITIONS * 5000,
  }, async () => {
    explainFailure('revocation-connections', () => cluster);
    const took = new Distribution();
    for (let turn = 0; turn < REPETITIONS; turn++) {
      const [user] = await accounts.make(1);
      if (user === undefined) throw new Error('there is a user');
      const clients = await Promise.all(
        [0, 1, 2].map((i) => connect(nodes(turn + i)[1], i === 1 ? user.key : user.accessToken)),
      );
      const began = performance.now();
      const path = `/v1/auth/users/${user.id}/subscription`;
      expect(await call(nodes(turn)[0], 'PUT', path, admin.accessToken, { plan: 'free' })).toBe(200);
      const open = () => clients.filter(({ closeCode }) => closeCode === null);
      await within(
        LIMIT_MS,
        'one is left',
        (async () => {
          while (open().length > 1) await Promise.race(open().map((client) => client.change()));
        })(),
      );
      took.add(performance.now() - began);
      const [left] = open();
      await left?.sync();
      expect(clients.map(({ closeCode }) => closeCode).sort()).toEqual([TOO_MANY, TOO_MANY, null]);
      left?.socket.terminate();
    }
    await report('Revocation: fewer connections', { 'ms from the request to its effect on both nodes': took });
    if (full) expect(took.percentile(99)).toBeLessThanOrEqual(TARGET_MS);
  });
});

/** Of every kind at the same time. */
async function revokeAll(turn: number, act: (kind: Kind, node: ClusterNode, user: TestUser) => Promise<unknown>) {
  return Promise.all(Object.values(KINDS).map((kind) => revoke(kind, turn, (node, user) => act(kind, node, user))));
}

it(`what is changed by SQL is found, ${SQL_REPETITIONS} times`, {
  timeout: 60_000 + SQL_REPETITIONS * LIMIT_MS,
}, async () => {
  explainFailure('revocation-sql', () => cluster);
  const took = new Distribution();
  for (let turn = 0; turn < SQL_REPETITIONS; turn++)
    for (const ms of await revokeAll(turn, (kind, _, user) => kind.sql(accounts.sql, user))) took.add(ms);
  await report('Revocation by SQL', { 'ms to its effect': took });
  expect(took.percentile(100)).toBeLessThanOrEqual(FOUND_MAX_MS);
});

const AWAY: Readonly<Record<string, { leave(): Promise<void>; back(): Promise<void> }>> = {
  gone: { leave: () => cluster.redis.kill(), back: () => cluster.redis.restart() },
  frozen: { leave: async () => cluster.redis.freeze(), back: async () => cluster.redis.thaw() },
};

it.each(Object.entries(AWAY))(
  'while Redis is %s, and with it every announcement',
  { timeout: 240_000 },
  async (name, { leave, back }) => {
    explainFailure(`revocation-redis-${name}`, () => cluster);
    await leave();
    const took = new Distribution();
    const revoked = await revokeAll(0, async (kind, node, user) =>
      expect([200, 204]).toContain(await kind.act(node, user)),
    );
    for (const ms of revoked) took.add(ms);
    await back();
    await report(`Revocation while Redis is ${name}`, { 'ms from the request to its effect on another node': took });
    expect(took.percentile(100)).toBeLessThanOrEqual(FOUND_MAX_MS);
    await eventually(
      () => Promise.all(cluster.gateways.map(async ({ server }) => (await fetch(`${server.url}/readyz`)).status)),
      (statuses) => statuses.every((status) => status === 200),
      LIMIT_MS,
    );
  },
);
