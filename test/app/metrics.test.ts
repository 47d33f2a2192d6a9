import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestClient } from '../gateway/client.js';
import { Collector } from '../support/collector.js';
import { testDataDir } from '../support/database.js';
import { type Families, parsePage, type Sample } from '../support/metrics.js';
import { documentedMetrics, metricsOfDashboard, metricsOfRules } from '../support/monitoring.js';
import { TRADES_FILE } from '../support/oracle.js';
import { RedisServer } from '../support/redis.js';
import { DatabaseServer, Server } from '../support/server.js';
import { get, Places } from './support.js';

/** Of everything that must stand in no label. */
const SYMBOLS = ['XRPETH', 'PUSHED'];
const EMAIL = 'metrics-canary@example.com';
const SECRET = 'metrics-canary-password-1a';
const FEEDS = `replay:${TRADES_FILE}?speed=3000&symbol=XRPETH;push`;
/** Series of one family: routes and the buckets of histograms make most. */
const SERIES_A_FAMILY = 1500;

const places = new Places();
const servers: Server[] = [];
const stops: (() => Promise<unknown>)[] = [];
let collector: Collector;
/** One process that does everything; a node of a cluster that does; gateways that share a port. */
let pages: Readonly<Record<'alone' | 'node' | 'workers', { readonly before: Families; readonly after: Families }>>;

async function start(env: Readonly<Record<string, string>>): Promise<Server> {
  const server = await Server.start({ FEEDS, JWT_SECRET: 'metrics-canary-secret-of-32-bytes-or-more', ...env });
  servers.push(server);
  return server;
}

async function page(server: Server): Promise<Families> {
  const { body, headers } = await get<string>(server, '/metrics', { headers: { connection: 'close' } });
  expect(headers.get('content-type')).toContain('text/plain; version=0.0.4');
  return parsePage(body);
}

const send = (server: Server, path: string, body: unknown, headers: Readonly<Record<string, string>> = {}) =>
  get<{ accessToken?: string }>(server, path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

let pushed = 0;
/** More than one of each 16 that are looked at for their lag, and a wrong one. */
const push = (server: Server) => {
  const trades = Array.from({ length: 33 }, (_, i) => ({
    ...{ symbol: 'PUSHED', id: ++pushed, time: Date.now(), side: 'buy', quantity: '1' },
    price: i === 0 ? '-1' : '1',
  }));
  return send(server, '/v1/trades', { trades });
};

/** A bit of everything, the wrong things too. `ingest`: where trades are taken. */
async function load(server: Server, ingest: Server): Promise<void> {
  const account = { email: EMAIL, password: SECRET };
  await send(server, '/v1/auth/register', account);
  const { body } = await send(server, '/v1/auth/login', account);
  await send(server, '/v1/auth/login', { ...account, password: 'wrong' });
  expect((await push(ingest)).status).toBe(200);
  for (const path of ['/v1/candles?symbol=XRPETH&interval=1m&to=2019-01-01', '/v1/candles', '/', '/nothing/XRPETH'])
    await get(server, path);
  await get(server, `/v1/rules/${crypto.randomUUID()}`, { headers: { authorization: 'Bearer wrong' } });
  await get(server, '/api/v3/klines?symbol=XRPETH&interval=1m');
  const clients = await Promise.all([TestClient.connect(server.port), TestClient.connect(server.port, 'msgpack')]);
  for (const client of clients) {
    client.send({ op: 'auth', token: body.accessToken });
    client.send({
      op: 'subscribe',
      channels: ['candles:XRPETH:1m', 'candles:PUSHED:1m', 'status', 'signals', 'wrong'],
    });
    await client.until((m) => m.type === 'subscribed' && m.channel === 'candles:PUSHED:1m');
    await push(ingest);
    await client.until((m) => m.type === 'candle' && m.channel === 'candles:PUSHED:1m');
    await client.sync();
  }
  clients[0]?.socket.close(4321);
  clients[1]?.socket.close(1000);
  await Promise.all(clients.map((client) => client.closed()));
}

beforeAll(async () => {
  collector = await Collector.start();
  stops.push(() => collector.stop());
  const directories = await Promise.all([testDataDir(), testDataDir()]);
  for (const directory of directories) places.keep(directory);
  const [database, redis, alone] = await Promise.all([
    DatabaseServer.start(directories[0]),
    RedisServer.start(),
    start({ DATA_DIR: directories[1], OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ROLES: 'all' }),
  ]);
  stops.push(
    () => database.stop(),
    () => redis.stop(),
  );
  const shared = { DATABASE_URL: database.url, REDIS_URL: redis.url };
  const node = await start({ ...shared, DATA_DIR: await places.directory(), ROLES: 'all' });
  const workers = await start({ ...shared, DATA_DIR: await places.directory(), ROLES: 'gateway', WORKERS: '2' });
  const measured = async (server: Server, ingest: Server) => {
    const before = await page(server);
    await load(server, ingest);
    return { before, after: await page(server) };
  };
  const first = { alone: await measured(alone, alone), node: await measured(node, node) };
  pages = { ...first, workers: await measured(workers, node) };
});

afterAll(async () => {
  await Promise.all(servers.map((server) => server.stop()));
  for (const stop of stops.reverse()) await stop();
  await places.clear();
});

const ours = (families: Families) => [...families.values()].filter(({ name }) => name.startsWith('candlecast_'));
const key = ({ name, labels }: { name: string; labels: object }) => name + JSON.stringify(labels);

describe.each(['alone', 'node', 'workers'] as const)('/metrics (%s)', (which) => {
  it('names, units, types and help are as Prometheus has them', () => {
    for (const { name, type, help, samples } of ours(pages[which].after)) {
      expect(name).toMatch(/^candlecast_[a-z][a-z_]*[a-z]$/);
      expect(['counter', 'gauge', 'histogram'], name).toContain(type);
      expect(name.endsWith('_total'), `${name} is a ${type}`).toBe(type === 'counter');
      // Base units only: https://prometheus.io/docs/practices/naming/
      expect(name).not.toMatch(/_(ms|millis|milliseconds|minutes|hours|kb|mb|kilobytes|megabytes|percent)(_|$)/);
      if (type === 'histogram') expect(name).toMatch(/_seconds$/);
      expect(help, name).toMatch(/^[A-Z1].{9,}\.$/s);
      for (const sample of samples) expect(Number.isFinite(sample.value), key(sample)).toBe(true);
      expect(new Set(samples.map(key)).size, name).toBe(samples.length);
    }
  });

  it('labels are few and name no symbol, user or address', () => {
    for (const { name, samples } of ours(pages[which].after)) {
      expect(samples.length, name).toBeLessThan(SERIES_A_FAMILY);
      for (const { labels } of samples) {
        for (const value of Object.values(labels)) {
          for (const never of [...SYMBOLS, EMAIL, SECRET, '127.0.0.1'])
            expect(value.toLowerCase(), name).not.toContain(never.toLowerCase());
          expect(value, name).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}|@/);
        }
      }
    }
    const closes = pages[which].after.get('candlecast_closes_total')?.samples.map(({ labels }) => labels.code);
    expect(closes).toEqual(expect.arrayContaining(['1000', 'other']));
    expect(closes).not.toContain('4321');
  });

  it('counters and histograms only grow, and a histogram adds up', () => {
    const { before, after } = pages[which];
    let grown = 0;
    for (const { name, type, samples } of ours(before)) {
      if (type === 'gauge') continue;
      const now = new Map(after.get(name)?.samples.map((sample) => [key(sample), sample.value]));
      for (const sample of samples) {
        expect(now.get(key(sample)), key(sample)).toBeGreaterThanOrEqual(sample.value);
        if ((now.get(key(sample)) ?? 0) > sample.value) grown++;
      }
    }
    expect(grown).toBeGreaterThan(20);
    for (const { name, type, samples } of ours(after)) {
      if (type !== 'histogram') continue;
      const buckets = samples.filter((sample) => sample.name === `${name}_bucket`);
      const withoutBound = ({ labels: { le: _, ...rest } }: Sample) => JSON.stringify(rest);
      for (const { labels, value } of samples.filter((sample) => sample.name === `${name}_count`)) {
        const values = buckets.filter((one) => withoutBound(one) === JSON.stringify(labels)).map((one) => one.value);
        expect(values).toEqual([...values].sort((a, b) => a - b));
        expect(values.at(-1), name).toBe(value);
      }
    }
  });
});

const total = (families: Families, name: string, labels: Readonly<Record<string, string>> = {}): number =>
  (families.get(`candlecast_${name.replace(/_count$/, '')}`) ?? families.get(`candlecast_${name}`))?.samples
    .filter((sample) => sample.name === `candlecast_${name}`)
    .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
    .reduce((sum, { value }) => sum + value, 0) ?? Number.NaN;

it('what happened is counted: drops by reason, lag at every stage, requests by route', () => {
  const { after } = pages.alone;
  for (const stage of ['trade', 'candle', 'bus', 'socket'])
    expect(total(after, 'stage_lag_seconds_count', { stage }), stage).toBeGreaterThan(0);
  expect(total(after, 'trades_quarantined_total', { feed: 'push' })).toBe(3);
  expect(total(after, 'http_requests_total', { route: '/v1/candles', status: '4xx' })).toBe(1);
  expect(total(after, 'http_requests_total', { route: '/api/v3/*', status: '2xx' })).toBe(1);
  expect(total(after, 'http_requests_total', { route: 'other', status: '4xx' })).toBe(1);
  expect(total(after, 'http_requests_total', { route: '/v1/rules/{id}' })).toBe(1);
  expect(total(after, 'errors_total', { code: 'bad_channel' })).toBe(2);
  expect(total(after, 'history_query_duration_seconds_count')).toBeGreaterThan(0);
  expect(total(after, 'feed_symbols', { feed: 'replay', state: 'live' })).toBe(1);
  expect(total(pages.node.after, 'redis_round_trip_seconds_count')).toBeGreaterThan(0);
  expect(total(pages.node.after, 'bus_publish_duration_seconds_count')).toBeGreaterThan(0);
  // Two gateways are one page: what each sees of the cluster is not added up.
  expect(total(pages.workers.after, 'connections_total')).toBe(2);
  expect(total(pages.workers.after, 'cluster_nodes')).toBe(3);
});

describe('what is written about the metrics', () => {
  const served = () => new Map(Object.values(pages).flatMap(({ after }) => ours(after).map((one) => [one.name, one])));

  it('docs/metrics.md has each with its type and labels, and no other', () => {
    const real = [...served().values()].map(({ name, type, samples }) => {
      const labels = new Set(samples.flatMap((sample) => Object.keys(sample.labels)));
      labels.delete('le');
      return { name, type, labels: [...labels].sort() };
    });
    const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);
    // A family whose samples have not come about yet has no labels to compare.
    const known = documentedMetrics().map((one) => {
      const family = served().get(one.name);
      return family !== undefined && family.samples.length === 0 ? { ...one, labels: [] } : one;
    });
    expect(known.sort(byName)).toEqual(real.sort(byName));
  });

  it.each([
    ['the dashboard', metricsOfDashboard],
    ['the alerts', metricsOfRules],
  ])('every metric and label value that %s ask for is there', (_, asked) => {
    const names = new Set(Object.values(pages).flatMap(({ after }) => [...after.values()].map(({ name }) => name)));
    const wanted = asked();
    expect(wanted.length).toBeGreaterThan(10);
    for (const { metric, labels } of wanted) {
      // Made by Prometheus itself.
      if (metric === 'up') continue;
      const family = names.has(metric) ? metric : metric.replace(/_(bucket|sum|count)$/, '');
      expect(names.has(family), metric).toBe(true);
      if (!metric.startsWith('candlecast_')) continue;
      const documented = documentedMetrics().find(({ name }) => name === family);
      const allowed = [...(documented?.labels ?? []), ...(metric.endsWith('_bucket') ? ['le'] : []), 'job', 'instance'];
      for (const label of labels) expect(allowed, `${metric} by ${label}`).toContain(label);
    }
  });
});
