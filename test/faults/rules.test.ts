import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterEach, expect, it } from 'vitest';
import { partitionOf } from '../../src/cluster/partitions.js';
import { eventually, get } from '../app/support.js';
import { realMinutes } from '../signals/rules/candles.js';
import { MANY_RULES } from '../signals/rules/many-rules.js';
import { offlineFirings } from '../signals/rules/offline.js';
import { type SeenSignal, standing } from '../signals/rules/runners.js';
import { JWT_SECRET, TestAccounts, type TestUser } from './kit/accounts.js';
import { Cluster } from './kit/cluster.js';
import { Distribution, report } from './kit/measure.js';
import type { ClusterNode } from './kit/node.js';
import { between, generator, pick } from './kit/random.js';
import { explainFailure, full, seed, times } from './kit/scenario.js';
import { SignalClient } from './kit/signal-client.js';
import { within } from './kit/within.js';

const FAILOVERS = times(2, 40);
const SYMBOLS = ['AAA', 'BBB'];
/** Event time to wall time: the two and a half days must outlast the failovers. */
const SPEED = full ? 300 : 600;
const LIMIT_MS = 60_000;
/** As for other partitions: 5 s until a lease is free, and what it takes to read the history. */
const TAKEOVER_P99_MS = 10_000;
const PLANS = JSON.stringify({ free: {}, pro: { rules: 1000, signalsPerDay: 1_000_000 } });
let cluster: Cluster | undefined;
let accounts: TestAccounts | undefined;
let clients: SignalClient[] = [];

afterEach(async () => {
  for (const client of clients) client.stop();
  await accounts?.stop();
  await cluster?.stop();
});

interface MadeRule {
  readonly id: string;
  readonly symbol: string;
  readonly startsAfter: number;
  readonly rule: (typeof MANY_RULES)[number];
}

async function makeRules(node: ClusterNode, { key }: TestUser, symbol: string, { sql }: TestAccounts) {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${key}` };
  const made: MadeRule[] = [];
  for (const rule of MANY_RULES) {
    const body = JSON.stringify({ symbol, interval: '1m', ...rule });
    const answer = await get<{ id: string }>(node.server, '/v1/rules', { method: 'POST', headers, body });
    expect(answer.status).toBe(201);
    const { rows } = await sql.query<{ starts_after: number }>('SELECT starts_after FROM rules WHERE id = $1', [
      answer.body.id,
    ]);
    made.push({ id: answer.body.id, symbol, startsAfter: rows[0]?.starts_after ?? Number.NaN, rule });
  }
  return made;
}

/** Open time of the latest candle that was judged, by symbol. */
async function progress({ sql }: TestAccounts): Promise<ReadonlyMap<string, number>> {
  const { rows } = await sql.query<{ symbol: string; open_time: number }>(
    'SELECT symbol, open_time FROM rule_progress',
  );
  return new Map(rows.map(({ symbol, open_time }) => [symbol, open_time]));
}

/** Who evaluates each symbol, as the leases have it. */
async function evaluators({ redis: server, gateways }: Cluster): Promise<ReadonlyMap<string, ClusterNode>> {
  const redis = new Redis(server.url, { lazyConnect: true });
  try {
    await redis.connect();
    const nodes = await redis.hgetall('rules:{cluster}:nodes');
    const found = new Map<string, ClusterNode>();
    for (const symbol of SYMBOLS) {
      const id = await redis.get(`rules:{cluster}:lease:${partitionOf(symbol)}`);
      const node = gateways.find(({ port }) => nodes[id ?? '']?.includes(`:${port}"`) === true);
      if (node?.running === true) found.set(symbol, node);
    }
    return found;
  } finally {
    redis.disconnect();
  }
}

it(`rules over the real trades, whose node is killed or frozen ${FAILOVERS} times: fired as an independent computation says, none twice, none missing`, {
  timeout: 120_000 + FAILOVERS * 30_000,
}, async () => {
  explainFailure('rules', () => cluster);
  const random = generator(seed);
  const started = await Cluster.start({
    ...{ ingest: 1, gateways: 2, gatewayRoles: 'gateway,signals', symbols: SYMBOLS, speed: SPEED },
    env: { JWT_SECRET, PLANS },
  });
  cluster = started;
  const tables = await TestAccounts.in(started.database);
  accounts = tables;
  const users = await tables.make(SYMBOLS.length);
  const gateways = started.ports;
  clients = await Promise.all(
    users.map(({ id: userId, key: token }, i) =>
      new SignalClient({ userId, token, via: 'message', gateways, random }).start(gateways[i % 2] ?? 0),
    ),
  );
  const rules: MadeRule[] = [];
  for (const [i, user] of users.entries())
    rules.push(...(await makeRules(started.gateways[i % 2] as ClusterNode, user, SYMBOLS[i] ?? '', tables)));

  const takeover = new Distribution();
  const judged = async (symbols: readonly string[], from: ReadonlyMap<string, number>, minutes: number) => {
    const isPast = (now: ReadonlyMap<string, number>) =>
      symbols.every((symbol) => (now.get(symbol) ?? 0) >= (from.get(symbol) ?? 0) + minutes * 60_000);
    await eventually(() => progress(tables), isPast, LIMIT_MS);
  };
  await judged(SYMBOLS, await progress(tables), 5);
  for (let failover = 0; failover < FAILOVERS; failover++) {
    await pause(between(random, 0, 1000));
    const owners = await eventually(
      () => evaluators(started),
      ({ size }) => size === SYMBOLS.length,
      LIMIT_MS,
    );
    const node = pick(random, [...owners.values()]);
    const symbols = SYMBOLS.filter((symbol) => owners.get(symbol) === node);
    const began = performance.now();
    const isFrozen = failover % 2 === 1;
    if (isFrozen) node.freeze();
    else await node.kill();
    // What was under way when it stopped is committed or not: the next candle is another's.
    await pause(100);
    await judged(symbols, await progress(tables), 1);
    takeover.add(performance.now() - began);
    if (isFrozen) node.thaw();
    else await node.start();
  }
  await judged(SYMBOLS, await progress(tables), 10);

  const reached = await progress(tables);
  const { rows } = await tables.sql.query<SeenSignal & { symbol: string }>(
    'SELECT id, rule_id, user_id, symbol, corrects, data FROM signals ORDER BY user_id, seq',
  );
  const isJudged = ({ symbol, data }: SeenSignal & { symbol: string }) => data.openTime <= (reached.get(symbol) ?? 0);
  const told = standing(rows.filter(isJudged));
  const minutes = realMinutes();
  const wrong = rules
    .map(({ id, symbol, startsAfter, rule }) => ({
      ...{ symbol, rule, startsAfter },
      told: told.get(id) ?? [],
      due: offlineFirings(
        { ...rule, symbol, interval: '1m', startsAfter },
        minutes.filter(({ openTime }) => openTime <= (reached.get(symbol) ?? 0)),
      ),
    }))
    .filter((one) => one.told.join() !== one.due.join());
  const orphans = await tables.sql.query(
    `SELECT f.signal_id, s.id FROM rule_firings f FULL JOIN signals s ON s.id = f.signal_id WHERE s.id IS NULL OR f.rule_id IS NULL`,
  );
  const newest = new Map(rows.map(({ user_id }) => [user_id, rows.filter((row) => row.user_id === user_id).length]));
  const due = Promise.all(
    clients.map((client) => client.until(() => client.received.size >= (newest.get(client.userId) ?? 0))),
  );
  await within(LIMIT_MS, 'everything is delivered', due);
  // Of a rule that was made before any candle had closed it is below all of them.
  const first = Math.max(minutes[0]?.openTime ?? 0, Math.min(...rules.map(({ startsAfter }) => startsAfter)));
  await report('Rules under failover', {
    'ms until judged by another': takeover,
    failovers: FAILOVERS,
    rules: rules.length,
    'minutes judged of each symbol': Math.round((Math.min(...reached.values()) - first) / 60_000),
    signals: rows.length,
    wrong: wrong.length,
    'told late': rows.filter(({ data }) => data.event === 'fired_late').length,
  });
  expect(wrong).toEqual([]);
  // No candle was corrected, so nothing was said that had to be taken back.
  expect(rows.filter(({ data }) => data.event === 'withdrawn')).toEqual([]);
  expect(orphans.rows).toEqual([]);
  expect(clients.flatMap(({ faults }) => faults)).toEqual([]);
  expect(started.faults).toEqual([]);
  expect(rows.length).toBeGreaterThan(full ? 500 : 20);
  if (full) expect(takeover.percentile(99)).toBeLessThanOrEqual(TAKEOVER_P99_MS);
});
