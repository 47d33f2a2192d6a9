import { afterEach, expect, it, onTestFinished } from 'vitest';
import { HOUR_MS, MINUTE_MS } from '../../src/market/interval.js';
import type { ServerMessage, WireCandle } from '../../src/wire/messages.js';
import { eventually, post } from '../app/support.js';
import { TestClient } from '../gateway/client.js';
import { exchangeKlines } from '../support/oracle.js';
import { Cluster } from './kit/cluster.js';
import type { ClusterNode } from './kit/node.js';
import { explainFailure, full } from './kit/scenario.js';
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

/** Resolves when a gateway has heard of the symbol. */
async function known(gateway: ClusterNode, symbol: string): Promise<void> {
  await eventually(
    () => gateway.server.json<{ symbols: { symbol: string }[] }>('/v1/symbols'),
    ({ symbols }) => symbols.some((one) => one.symbol === symbol),
    LIMIT_MS,
  );
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

/** Closed candles, as they came: one by one, or several after something was missed. */
function closedIn(message: ServerMessage): readonly WireCandle[] {
  if (message.type === 'candle') return message.candle.x ? [message.candle] : [];
  return message.type === 'resync' ? message.candles.filter(({ x }) => x) : [];
}

/** Gaps that were told to whoever follows the channel. */
const gapsOf = (messages: readonly ServerMessage[]): { from: number; to: number }[] =>
  messages.flatMap((message) => {
    if (message.type === 'gap') return [{ from: message.from, to: message.to }];
    return message.type === 'resync' ? message.gaps : [];
  });

/** Closed while the database is away: what the bus holds of them, and more than it holds. */
const AWAY = full ? [21, 220] : [21];

it.each(AWAY)(
  '%i minutes that are in no table when their writer dies are kept or a gap, and kept when it is back',
  {
    timeout: 180_000,
  },
  async (away) => {
    explainFailure('push-takeover', () => cluster);
    cluster = await Cluster.start({ ingest: 2, gateways: 1, symbols: [], speed: 1, moreFeeds: ['push'] });
    const { ingest, database } = cluster;
    const [gateway] = cluster.gateways;
    if (gateway === undefined) throw new Error('no gateway');
    const from = Math.floor(Date.now() / HOUR_MS) * HOUR_MS - 48 * HOUR_MS;
    await push(ingest, from, range(0, 10));
    await known(gateway, SYMBOL);
    const follower = await TestClient.connect(gateway.port);
    client = follower;
    follower.send({ op: 'subscribe', channels: [`candles:${SYMBOL}:1m`] });
    const answer = await within(
      LIMIT_MS,
      'subscribed',
      follower.until((m) => m.type === 'subscribed' || m.type === 'error'),
    );
    expect(answer.type, JSON.stringify(answer)).toBe('subscribed');
    const closed = (minute: number) =>
      within(
        LIMIT_MS,
        `minute ${minute} closed`,
        follower.until((message) => closedIn(message).some(({ t }) => t === from + minute * MINUTE_MS)),
      );
    const history = async (until: number) => {
      const path = `/v1/candles?symbol=${SYMBOL}&interval=1m&from=${from}&limit=1000`;
      return eventually(
        () => gateway.server.json<{ candles: WireCandle[] }>(path).catch(() => ({ candles: [] as WireCandle[] })),
        ({ candles }) => candles.some(({ t, x }) => x && t === from + until * MINUTE_MS),
        LIMIT_MS,
      );
    };

    database.proxy.blackhole();
    const end = 10 + away;
    let owner: ClusterNode | undefined;
    // So few at once that each is sent by itself.
    for (let at = 10; at < end; at += 20) {
      owner = await push(ingest, from, range(at, Math.min(at + 20, end)));
      await closed(Math.min(at + 20, end) - 2);
    }
    await owner?.kill();
    await database.proxy.heal();
    await push(ingest, from, range(end + 1, end + 9));
    await closed(end + 7);

    const seen = follower.messages.flatMap(closedIn);
    expect(new Set(seen.map(({ t }) => t)).size).toBe(seen.length);
    const page = await history(end + 7);
    const sql = database.connect();
    onTestFinished(() => sql.end({ timeout: 1 }));
    const table = async () => {
      const rows = await sql<{ t: string }[]>`
      SELECT extract(epoch FROM timestamp) * 1000 AS t FROM ohlcv WHERE symbol = ${SYMBOL}`;
      return rows.map(({ t }) => Number(t));
    };
    const gaps = async () => {
      const rows = await sql<{ f: string; t: string }[]>`SELECT extract(epoch FROM from_time) * 1000 AS f,
      extract(epoch FROM to_time) * 1000 AS t FROM gaps WHERE symbol = ${SYMBOL}`;
      return rows.map(({ f, t }) => ({ from: Number(f), to: Number(t) }));
    };
    const stored = await eventually(table, (times) => times.includes(from + (end + 7) * MINUTE_MS), LIMIT_MS);
    const announced = await gaps();
    const told = gapsOf(follower.messages);
    const missing: number[] = [];
    for (const candle of seen) {
      if (stored.includes(candle.t)) expect(page.candles).toContainEqual(candle);
      else missing.push(candle.t);
    }
    const covers = (some: readonly { from: number; to: number }[], t: number) =>
      some.some((gap) => gap.from <= t && gap.to >= t + MINUTE_MS);
    for (const t of missing) {
      expect(covers(announced, t), `minute ${(t - from) / MINUTE_MS} is in no table, and no gap says so`).toBe(true);
      expect(covers(told, t), `minute ${(t - from) / MINUTE_MS} is in no table, and nobody was told`).toBe(true);
    }
    expect(missing.length > 0).toBe(away > 120);

    if (missing.length === 0) return;

    // What only its spool has comes in when the dead node is back; the gap ends when the symbols change hands next.
    await owner?.start();
    await eventually(table, (times) => missing.every((t) => times.includes(t)), LIMIT_MS);
    for (const node of ingest) if (node !== owner) await node.kill();
    await eventually(gaps, (found) => found.every((gap) => gap.from === gap.to), LIMIT_MS);
    const hours = await eventually(
      () => gateway.server.json<{ candles: WireCandle[] }>(`/v1/candles?symbol=${SYMBOL}&interval=1h&from=${from}`),
      ({ candles }) => candles[0]?.n === 60,
      LIMIT_MS,
    );
    expect(hours.candles.filter(({ x }) => x).map(({ n }) => n)).toEqual([60, 60, 60]);
    // Its journal has a trade of the minute in which it died: that one is corrected.
    const after = new Map((await history(end + 7)).candles.map((candle) => [candle.t, candle]));
    for (const candle of seen) {
      expect(after.has(candle.t), `minute ${(candle.t - from) / MINUTE_MS}`).toBe(true);
      if (after.get(candle.t)?.r === candle.r) expect(after.get(candle.t)).toEqual(candle);
    }
    expect(cluster.faults).toEqual([]);
  },
);

it.runIf(full)(
  '150 minutes that are in no table when their writer dies are fetched again where the feed has them',
  {
    timeout: 180_000,
  },
  async () => {
    explainFailure('push-takeover', () => cluster);
    cluster = await Cluster.start({ ingest: 2, gateways: 1, symbols: ['XRPETH'], speed: 1200 });
    const { database } = cluster;
    const [gateway] = cluster.gateways;
    if (gateway === undefined) throw new Error('no gateway');
    const klines = exchangeKlines();
    await known(gateway, 'XRPETH');
    const follower = await TestClient.connect(gateway.port);
    client = follower;
    follower.send({ op: 'subscribe', channels: ['candles:XRPETH:1m:closed'] });
    const answer = await follower.until((m) => m.type === 'subscribed' || m.type === 'error');
    expect(answer.type, JSON.stringify(answer)).toBe('subscribed');
    const reach = async (minutes: number): Promise<number> => {
      const first = await within(
        LIMIT_MS,
        'a candle',
        follower.until((m) => closedIn(m).length > 0),
      );
      const from = closedIn(first)[0]?.t ?? 0;
      const end = from + minutes * MINUTE_MS;
      await within(
        LIMIT_MS,
        `${minutes} minutes`,
        follower.until((m) => closedIn(m).some(({ t }) => t >= end)),
      );
      return end;
    };
    await reach(30);
    database.proxy.blackhole();
    const seen = follower.messages.flatMap(closedIn).length;
    await reach(seen + 180);
    const owner = (await cluster.owners()).get('XRPETH');
    await owner?.kill();
    await database.proxy.heal();
    const end = await reach(seen + 240);
    const sql = database.connect();
    onTestFinished(() => sql.end({ timeout: 1 }));
    const rows = await eventually(
      () => sql`SELECT extract(epoch FROM timestamp) * 1000 AS t, open, high, low, close, volume FROM ohlcv
      WHERE symbol = 'XRPETH' AND timestamp <= ${new Date(end)} ORDER BY timestamp`,
      (found) => Number(found.at(-1)?.t) === end,
      LIMIT_MS,
    );
    const stored = rows.map((row) => [Number(row.t), row.open, row.high, row.low, row.close, row.volume]);
    expect(stored).toEqual(klines.filter(([t]) => t <= end));
    expect(await sql`SELECT * FROM gaps`).toEqual([]);
    const times = follower.messages.flatMap(closedIn).map(({ t }) => t);
    expect(new Set(times).size).toBe(times.length);
    expect(cluster.logs().some(([, log]) => log.includes('fetching them again'))).toBe(true);
    expect(cluster.faults).toEqual([]);
  },
);
