import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestClient } from '../gateway/client.js';
import { Collector, type SentSpan } from '../support/collector.js';
import { testDataDir } from '../support/database.js';
import { TRADES_FILE } from '../support/oracle.js';
import { Server } from '../support/server.js';
import { eventually, get, logged, metric, Places } from './support.js';

const EMAIL = 'ada-canary@example.com';
const PASSWORD = 'The-password-canary-4be1';
const CALLER = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };

const places = new Places();
let collector: Collector;
let server: Server;

beforeAll(async () => {
  collector = await Collector.start();
  const DATA_DIR = await testDataDir();
  places.keep(DATA_DIR);
  server = await Server.start({
    DATA_DIR,
    FEEDS: `replay:${TRADES_FILE}?speed=3000&symbol=XRPETH`,
    OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/`,
    OTEL_SERVICE_NAME: 'candles-test',
    LOG_LEVEL: 'debug',
  });
});

afterAll(async () => {
  await server?.stop();
  await collector?.stop();
  await places.clear();
});

const named = (name: string) => (span: SentSpan) => span.name === name;

async function post<T>(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}) {
  const type = { 'content-type': 'application/json' };
  return get<T>(server, path, { method: 'POST', headers: { ...type, ...headers }, body: JSON.stringify(body) });
}

it('requests, answers on sockets, queries, batches, takeovers, rules and logins are spans, parts of what they belong to; nothing of what was sent is in them', async () => {
  // A request of a caller that traces, with what the store was asked for it.
  const traceparent = `00-${CALLER.traceId}-${CALLER.spanId}-01`;
  const old = '/v1/candles?symbol=XRPETH&interval=1m&limit=3&to=2019-01-01';
  // 503 while what is replayed at the start is on its way into the store.
  await eventually(
    () => get(server, old, { headers: { traceparent } }),
    ({ status }) => status === 200,
  );
  const isAnswer = (span: SentSpan) => span.traceId === CALLER.traceId && span.kind === 2 && !span.failed;
  const request = await collector.until(isAnswer);
  expect(request).toMatchObject({ name: 'GET /v1/candles', parentSpanId: CALLER.spanId, failed: false });
  expect(request.attributes).toEqual({
    'http.request.method': 'GET',
    'http.route': '/v1/candles',
    'http.response.status_code': 200,
  });
  const query = collector.spans.find((span) => span.parentSpanId === request.spanId);
  expect(query).toMatchObject({ kind: 3, name: 'history candles before', traceId: CALLER.traceId });
  expect(query?.attributes).toEqual({ 'db.system.name': 'postgresql', 'candlecast.interval': '1m' });

  // The start: the partition was taken, and its history written.
  const taken = await collector.until(named('take partition'));
  expect(taken.attributes).toMatchObject({ 'candlecast.partition': 'all', 'candlecast.symbols': 1 });
  expect((await collector.until(named('write batch'))).attributes).toMatchObject({ 'db.system.name': 'postgresql' });
  expect(collector.resources[0]).toMatchObject({ 'service.name': 'candles-test' });

  // A login, wrong and right.
  const account = { email: EMAIL, password: PASSWORD };
  expect((await post('/v1/auth/register', account)).status).toBe(202);
  expect((await post('/v1/auth/login', { ...account, password: `${PASSWORD}!` })).status).toBe(401);
  const { body: tokens } = await post<{ accessToken: string; refreshToken: string }>('/v1/auth/login', account);
  const wrong = await collector.until((span) => span.name === 'login' && span.failed);
  expect(wrong.attributes).toEqual({ 'error.type': 'invalid_credentials' });
  const right = await collector.until((span) => span.name === 'login' && !span.failed);
  const verified = collector.spans.find((span) => span.parentSpanId === right.spanId);
  expect(verified?.name).toBe('verify password');
  const posted = await collector.until((span) => span.spanId === right.parentSpanId);
  expect(posted.name).toBe('POST /v1/auth/login');

  // A rule, evaluated as candles close.
  const bearer = { authorization: `Bearer ${tokens.accessToken}` };
  const when = { type: 'price', op: 'above', level: '0.00000001' };
  const rule = { symbol: 'XRPETH', interval: '1m', when, cooldownMs: 3_600_000 };
  expect((await post('/v1/rules', rule, bearer)).status).toBe(201);
  await collector.until((span) => span.name === 'evaluate rules' && Number(span.attributes['candlecast.firings']) > 0);

  // Sockets: what is answered, not what follows.
  const client = await TestClient.connect(server.port);
  client.send({ op: 'auth', token: tokens.accessToken });
  await client.type('authenticated');
  client.send({ op: 'subscribe', channels: ['candles:XRPETH:1m', 'candles:NOSUCH:1m', 'signals'], snapshot: 5 });
  const answered = await collector.until((span) => span.name === 'subscribe' && !span.failed);
  expect(answered).toMatchObject({ kind: 2, parentSpanId: '', attributes: { 'candlecast.channel': 'candles' } });
  expect(answered.attributes['candlecast.candles']).toBe(5);
  const refused = await collector.until((span) => span.name === 'subscribe' && span.failed);
  expect(refused.attributes).toMatchObject({ 'error.type': 'unknown_symbol' });
  await client.type('candle');
  client.socket.terminate();

  // What machines ask for is no span, and no span stands for a trade or a tick.
  await get(server, '/healthz');
  await get(server, '/metrics');
  await get(server, '/v1/symbols');
  await collector.until(named('GET /v1/symbols'));
  const names = new Set(collector.spans.map(({ name }) => name));
  expect([...names].filter((name) => /healthz|metrics/.test(name))).toEqual([]);
  expect(collector.spans.length).toBeLessThan((await metric(server, 'trades_total{outcome="applied"}')) / 2);

  // Lines of the log name the trace they belong to.
  const line = logged(server).find(({ msg }) => msg === 'logged in');
  expect(line?.traceId).toBe(right.traceId);

  for (const secret of [EMAIL, PASSWORD, tokens.accessToken, tokens.refreshToken, '127.0.0.1'])
    expect(collector.raw.includes(secret), secret).toBe(false);
});

it('a collector that refuses or is gone is counted and told once, and hurts nobody; what waits is sent when the server stops', async () => {
  const spans = (outcome: string) => metric(server, `trace_spans_total{outcome="${outcome}"}`);
  expect(await spans('exported')).toBeGreaterThan(0);
  collector.status = 400;
  expect((await get(server, '/v1/symbols')).status).toBe(200);
  await eventually(
    () => spans('failed'),
    (count) => count > 0,
  );
  collector.status = 200;
  await get(server, '/v1/symbols');
  await server.printed(/traces are sent again/);
  const told = logged(server).filter(({ msg }) => String(msg).startsWith('traces cannot be sent'));
  expect(told).toHaveLength(1);
  const before = collector.spans.length;
  await get(server, '/udf/time');
  expect(await server.stop()).toBe(0);
  expect(collector.spans.slice(before).map(({ name }) => name)).toContain('GET /udf/time');
});
