import { afterEach, expect, it } from 'vitest';
import { HOUR_MS, MINUTE_MS } from '../../src/market/interval.js';
import type { ServerMessage, WireCandle } from '../../src/wire/messages.js';
import { eventually, post } from '../app/support.js';
import { TestClient } from '../gateway/client.js';
import { Cluster } from './kit/cluster.js';
import type { ClusterNode } from './kit/node.js';
import { explainFailure } from './kit/scenario.js';
import { within } from './kit/within.js';

const SYMBOL = 'PUSHED';
const LIMIT_MS = 60_000;
let cluster: Cluster | undefined;
let client: TestClient | undefined;

afterEach(async () => {
  client?.socket.terminate();
  await cluster?.stop();
});

/** One trade a minute of the past: each closes the minute before. @returns the node that took them. */
async function push(nodes: readonly ClusterNode[], from: number, minutes: readonly number[]): Promise<ClusterNode> {
  const trades = minutes.map((minute) => ({
    symbol: SYMBOL,
    id: minute + 1,
    // Past the grace of the minute before.
    time: from + minute * MINUTE_MS + 3000,
    price: String(100 + (minute % 7)),
    quantity: '1',
    side: 'buy',
  }));
  const owner = await eventually(
    async () => {
      for (const node of nodes.filter(({ running }) => running)) {
        const answer = await post(node.server, trades).catch(() => null);
        if (answer?.status === 200) return node;
      }
      return null;
    },
    (node) => node !== null,
    LIMIT_MS,
  );
  if (owner === null) throw new Error('nobody took the trades');
  return owner;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

const isClosed = (message: ServerMessage): message is Extract<ServerMessage, { type: 'candle' }> =>
  message.type === 'candle' && message.candle.x;

it('what was published and is in no table when its writer dies is kept, also where no feed can bring it again', {
  timeout: 120_000,
}, async () => {
  explainFailure('push-takeover', () => cluster);
  cluster = await Cluster.start({ ingest: 2, gateways: 1, symbols: [], speed: 1, moreFeeds: ['push'] });
  const { ingest, database } = cluster;
  const [gateway] = cluster.gateways;
  if (gateway === undefined) throw new Error('no gateway');
  const from = Math.floor(Date.now() / HOUR_MS) * HOUR_MS - 48 * HOUR_MS;
  await push(ingest, from, range(0, 10));
  await eventually(
    () => gateway.server.json<{ symbols: { symbol: string }[] }>('/v1/symbols'),
    ({ symbols }) => symbols.some(({ symbol }) => symbol === SYMBOL),
    LIMIT_MS,
  );
  const follower = await TestClient.connect(gateway.port);
  client = follower;
  follower.send({ op: 'subscribe', channels: [`candles:${SYMBOL}:1m`] });
  const answer = await within(
    LIMIT_MS,
    'subscribed',
    follower.until((m) => m.type === 'subscribed' || m.type === 'error'),
  );
  expect(answer.type, JSON.stringify(answer)).toBe('subscribed');

  database.proxy.blackhole();
  const owner = await push(ingest, from, range(10, 31));
  const last = from + 29 * MINUTE_MS;
  await within(
    LIMIT_MS,
    'closed',
    follower.until((message) => isClosed(message) && message.candle.t === last),
  );
  await owner.kill();
  await database.proxy.heal();
  await push(ingest, from, range(32, 40));
  const end = from + 38 * MINUTE_MS;
  await within(
    LIMIT_MS,
    'closed by the successor',
    follower.until((m) => isClosed(m) && m.candle.t === end),
  );

  const seen = follower.messages.filter(isClosed).map(({ candle }) => candle);
  expect(new Set(seen.map(({ t }) => t)).size).toBe(seen.length);
  const page = await eventually(
    () => gateway.server.json<{ candles: WireCandle[] }>(`/v1/candles?symbol=${SYMBOL}&interval=1m&from=${from}`),
    ({ candles }) => candles.some(({ t, x }) => x && t === end),
    LIMIT_MS,
  );
  for (const candle of seen) expect(page.candles).toContainEqual(candle);
  const sql = database.connect();
  const rows = await eventually(
    () => sql<{ t: string }[]>`SELECT extract(epoch FROM timestamp) * 1000 AS t FROM ohlcv WHERE symbol = ${SYMBOL}`,
    (found) => found.some(({ t }) => Number(t) === end),
    LIMIT_MS,
  );
  await sql.end({ timeout: 1 });
  const stored = rows.map(({ t }) => Number(t));
  for (const { t } of seen) expect(stored).toContain(t);
  expect(cluster.faults).toEqual([]);
});
