import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { get } from '../app/support.js';
import { realPostgres, type TestDatabase } from '../support/database.js';
import { JWT_SECRET, TestAccounts, type TestUser } from './kit/accounts.js';
import { Cluster } from './kit/cluster.js';
import { Stored } from './kit/delivery.js';
import { Distribution, report } from './kit/measure.js';
import { Publisher, type Slice } from './kit/publisher.js';
import { between, generator, pick, type Random } from './kit/random.js';
import { explainFailure, full, seed, times } from './kit/scenario.js';
import { SignalClient } from './kit/signal-client.js';
import { within } from './kit/within.js';

const USERS = full ? 1000 : 40;
const CONNECTIONS = 3;
const RULES = full ? 50 : 5;
const ROUNDS = times(1, 5);
/** Of each fault in each round: 100,000 in all in full. */
const SLICE: Slice = full
  ? { singles: 700, bulks: 4, bulkSize: 1000, toAll: 2 }
  : { singles: 30, bulks: 4, bulkSize: 40, toAll: 2 };
const WHOLE_MAX_MS = 60_000;
const CONNECTS_AT_ONCE = 100;
let cluster: Cluster | undefined;
/** In full what belongs to users is in a server of its own; else it is in the embedded one, with the candles. */
let postgres: TestDatabase | null = null;
let accounts: TestAccounts | undefined;
let clients: SignalClient[] = [];

afterEach(async () => {
  for (const client of clients) client.stop();
  clients = [];
  await accounts?.stop();
  await cluster?.stop();
  await postgres?.stop();
});

/** What comes in the way while signals are published. */
const FAULTS: Readonly<Record<string, (cluster: Cluster, random: Random) => Promise<void>>> = {
  'CLIENT KILL': async ({ redis }, random) => {
    for (let i = 0; i < 5; i++) {
      await pause(between(random, 20, 200));
      await redis.cli('CLIENT', 'KILL', 'TYPE', 'pubsub');
    }
  },
  'gateway kill -9': async ({ gateways }, random) => {
    await pause(between(random, 50, 400));
    const gateway = pick(random, gateways);
    await gateway.kill();
    await pause(between(random, 50, 400));
    await gateway.start();
  },
  'Redis restart, empty': async ({ redis }, random) => {
    await pause(between(random, 50, 400));
    await redis.kill();
    await pause(between(random, 200, 1500));
    await redis.restart();
  },
};

/** Three connections of each user, over both gateways: by token in a message, as a subprotocol, and by API key. */
async function connect(users: readonly TestUser[], random: Random, latency: Distribution): Promise<void> {
  const gateways = cluster?.ports ?? [];
  const onSignal = ({ createdAt }: { createdAt: number }) => latency.add(Date.now() - createdAt);
  clients = users.flatMap(({ id: userId, accessToken, key }) =>
    Array.from({ length: CONNECTIONS }, (_, i) => {
      const token = i === 2 ? key : accessToken;
      const via = i === 1 ? 'subprotocol' : 'message';
      return new SignalClient({ userId, token, via, gateways, random, onSignal });
    }),
  );
  for (let from = 0; from < clients.length; from += CONNECTS_AT_ONCE)
    await Promise.all(
      clients
        .slice(from, from + CONNECTS_AT_ONCE)
        .map((client, i) => client.start(gateways[(from + i) % gateways.length] ?? 0)),
    );
}

async function makeRules({ gateways }: Cluster, users: readonly TestUser[]): Promise<void> {
  const when = { type: 'price', op: 'above', level: '0.00000001' };
  for (const [i, { key }] of users.entries()) {
    const gateway = gateways[i % gateways.length];
    if (gateway === undefined) throw new Error('there is no gateway');
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${key}` };
    const body = JSON.stringify({ symbol: 'AAA', interval: '1m', when });
    const { status } = await get(gateway.server, '/v1/rules', { method: 'POST', headers, body });
    expect(status).toBe(201);
  }
}

it(`${USERS} users × ${CONNECTIONS} connections on two nodes, ${ROUNDS} times cut in three ways: each signal at its owner's connections and nowhere else`, {
  timeout: 120_000 + ROUNDS * 120_000,
}, async () => {
  explainFailure('signals', () => cluster);
  postgres = full ? await realPostgres({ fsync: true }) : null;
  const env = { JWT_SECRET, ...(postgres === null ? {} : { DATABASE_URL: postgres.url }) };
  cluster = await Cluster.start({
    ...{ ingest: 1, gateways: 2, gatewayRoles: 'gateway,signals', symbols: ['AAA'], speed: 120, env },
  });
  accounts = await TestAccounts.in(postgres ?? cluster.database);
  const random = generator(seed);
  const users = await accounts.make(USERS);
  const [publishing] = await accounts.make(1, { role: 'publisher' });
  if (publishing === undefined) throw new Error('nobody publishes');
  const latency = new Distribution();
  await connect(users, random, latency);
  await makeRules(cluster, users.slice(0, RULES));
  const ruled = clients.slice(0, RULES * CONNECTIONS).map((client) => client.until(() => client.received.size > 0));
  await within(WHOLE_MAX_MS, 'every rule has fired', Promise.all(ruled));

  const ids = users.map(({ id }) => id);
  const everybody = [...ids, publishing.id];
  const publisher = new Publisher({ key: publishing.key, everybody, users: ids, ports: cluster.ports, random });
  const began = performance.now();
  for (let round = 0; round < ROUNDS; round++)
    for (const [name, fault] of Object.entries(FAULTS))
      await within(
        WHOLE_MAX_MS * 2,
        `published under ${name}`,
        Promise.all([publisher.run(SLICE), fault(cluster, random)]),
      );
  const publishedMs = performance.now() - began;
  expect(publisher.faults).toEqual([]);

  // Rules go on; what is stored by now is what has to be there.
  const due = await Stored.read(accounts.sql);
  const delivered = clients.map((client) => {
    const head = due.headOf(client.userId);
    return client.until(() => client.isWhole && (client.position?.seq ?? 0) >= head);
  });
  const waiting = performance.now();
  await within(WHOLE_MAX_MS, 'everybody has everything', Promise.all(delivered));
  const wholeMs = performance.now() - waiting;
  for (const client of clients) client.stop();
  const stored = await Stored.read(accounts.sql);

  const sum = (of: (client: SignalClient) => number) => clients.reduce((total, client) => total + of(client), 0);
  const missing = sum((client) => due.faultsOf(client).missing);
  const leaked = sum((client) => stored.faultsOf(client).leaked);
  const misplaced = sum((client) => stored.faultsOf(client).misplaced);
  const reconnects = sum(({ connects }) => connects) - clients.length;
  const received = sum((client) => client.received.size);
  await report('Signals under faults', {
    'signals published': publisher.expected.size,
    'signals of rules': due.size - publisher.expected.size,
    received,
    missing,
    leaked,
    'came again': sum(({ repeated }) => repeated),
    reconnects,
    'requests sent again': publisher.retries,
    'pages of what was missed': sum(({ pages }) => pages),
    'signals/s under faults': Math.round(publisher.expected.size / (publishedMs / 1000)),
    'ms until everybody had everything': Math.round(wholeMs),
    'ms from the row to the client': latency,
  });
  expect(clients.flatMap(({ faults }) => faults)).toEqual([]);
  expect(cluster.faults).toEqual([]);
  expect(stored.publishedFaults(publisher.expected)).toEqual([]);
  expect({ missing, leaked, misplaced }).toEqual({ missing: 0, leaked: 0, misplaced: 0 });
  expect(due.size).toBeGreaterThan(publisher.expected.size);
  expect(reconnects).toBeGreaterThan(0);
  expect(publisher.expected.size).toBeGreaterThanOrEqual(full ? 100_000 : 700);
});
