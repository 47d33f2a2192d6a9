/** What moves at once: windows of all symbols into an empty Redis, the edge of a minute, a partition to another node. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { systemClock } from '../../src/kit/clock.js';
import { postgresOptions } from '../../src/store/embedded/start.js';
import { refreshRange } from '../../src/store/refresh.js';
import { RedisServer } from '../../test/support/redis.js';
import { type Reply, Worker } from '../fanout/process.js';
import { symbolNames } from './load/pusher.js';
import { cpuSeconds } from './machine.js';
import { Cluster, metricsOf, until } from './nodes.js';
import { pause } from './time.js';

const INTERVALS = 15;
const MINUTE_MS = 60_000;

export async function recovery({ symbols, takeovers }: { symbols: readonly number[]; takeovers: readonly number[] }) {
  process.stdout.write(
    '\nWindows and edges: full windows (120 minutes, 60 of each longer interval), one ingest process without a database\n',
  );
  for (const count of symbols) await windows(count);
  process.stdout.write(
    '\nTakeover of one partition: 3 hours of minutes, 49 hours and 63 days stored; the owner dies by kill -9\n',
  );
  for (const count of takeovers) await takeover(count);
}

async function windows(count: number): Promise<void> {
  const redis = await RedisServer.start();
  const spool = await mkdtemp(join(tmpdir(), 'candlecast-bench-'));
  const books = new Worker('../cluster/servers/books.ts', 0);
  try {
    const empty = await usedMemory(redis);
    const opened = await books.ask('opened', { op: 'open', url: redis.url, symbols: symbolNames(count), spool });
    const kilobytes = ((await usedMemory(redis)) - empty) / count / 1024;
    const edges: Reply[] = [];
    // The first ends a day and all shorter intervals; of the others one in five ends five minutes.
    for (let minute = 0; minute < 6; minute++) edges.push(await books.ask('edge', { op: 'edge', minute }));
    const { storedMs, redisSeconds } = await restart(redis, count);
    process.stdout.write(
      `  ${count} symbols: ${kilobytes.toFixed(0)} KB of Redis a symbol; taken in ${ms(opened.takeMs)}, all windows stored in ${ms(opened.storeMs)}; ` +
        `Redis killed and empty: whole again ${ms(storedMs)} after it was back (Redis CPU ${redisSeconds.toFixed(2)} s)\n`,
    );
    for (const [i, edge] of edges.entries())
      process.stdout.write(
        `    minute ${i}: ${edge.events} events; folded ${ms(edge.foldMs)}, durable ${ms(edge.durableMs)}, all out ${ms(edge.outMs)}; CPU ${ms(edge.cpuMs)}; ${edge.stores} whole windows, ${edge.failures} commands failed\n`,
      );
  } finally {
    await books.stop();
    await redis.stop();
    await rm(spool, { recursive: true, force: true });
  }
}

/** From Redis' return until every window and every state is there. */
async function restart(redis: RedisServer, count: number): Promise<{ storedMs: number; redisSeconds: number }> {
  await redis.restart();
  const from = performance.now();
  const client = redis.client();
  await until(async () => (await windowsIn(client, count)) >= count * INTERVALS * 2, 10);
  const storedMs = performance.now() - from;
  client.disconnect();
  return { storedMs, redisSeconds: cpuSeconds(redis.pid) };
}

/** Keys without those of open candles, of which there is at most one a channel. */
async function windowsIn(client: ReturnType<RedisServer['client']>, count: number): Promise<number> {
  const keys = await client.dbsize();
  if (keys < count * INTERVALS * 2) return keys;
  let open = 0;
  for (let cursor = '0'; ; ) {
    const [next, found] = await client.scan(cursor, 'MATCH', 'open:*', 'COUNT', 10_000);
    open += found.length;
    cursor = next;
    if (cursor === '0') return keys - open;
  }
}

async function usedMemory(redis: RedisServer): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redis.cli('INFO', 'memory'))?.[1]);
}

async function takeover(count: number): Promise<void> {
  const cluster = await Cluster.start();
  try {
    await fill(cluster, count);
    const owner = await cluster.node('ingest');
    await until(async () => (await metricsOf(owner)).get('partitions_owned') === 1);
    const first = (await metricsOf(owner)).get('takeover_seconds') ?? Number.NaN;
    const client = cluster.redis.client();
    await until(async () => (await client.dbsize()) >= count * INTERVALS * 2);
    client.disconnect();
    const heir = await cluster.node('ingest');
    await pause(5000);
    if ((await metricsOf(owner)).get('partitions_owned') !== 1) throw new Error('the partition moved by itself');
    const from = performance.now();
    await owner.stop('SIGKILL');
    let slowest = 0;
    await until(async () => {
      const asked = performance.now();
      const owned = (await metricsOf(heir)).get('partitions_owned');
      slowest = Math.max(slowest, performance.now() - asked);
      return owned === 1;
    });
    const took = performance.now() - from;
    const seconds = (await metricsOf(heir)).get('takeover_seconds') ?? Number.NaN;
    process.stdout.write(
      `  ${count} symbols: ${ms(took)} from the death to the new owner, of which ${ms(seconds * 1000)} after the lease ` +
        `(${ms(first * 1000)} at first, with Redis empty); /metrics answered within ${ms(slowest)}\n`,
    );
  } finally {
    await cluster.stop();
  }
}

/** Candles as the ones that a node wrote, straight into the table. */
export async function fill(cluster: Cluster, count: number): Promise<void> {
  const sql = postgres(cluster.databaseUrl, { ...postgresOptions(cluster.databaseUrl), max: 1, onnotice: () => {} });
  try {
    const names = symbolNames(count);
    const last = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS - MINUTE_MS;
    const series = [
      [180, '1 minute'],
      [49, '1 hour'],
      [63, '1 day'],
    ] as const;
    for (const [rows, step] of series)
      await sql`
        INSERT INTO ohlcv (symbol, "timestamp", open, high, low, close, volume, quote_volume, taker_buy_volume,
          taker_buy_quote_volume, trade_count, first_trade_id, last_trade_id, first_trade_time, last_trade_time, revision, seq, epoch)
        SELECT s, at, 61234.56, 61250, 61200.1, 61240.01, 123.45678901, 7559876.12345678, 61.45678901, 3763124.12345678,
          1234, 3456789012, 3456790245, at, at + interval '59 s', 0, (extract(epoch FROM at)::bigint / 60) * 1048576, 1
        FROM unnest(${names}::text[]) AS s,
          LATERAL (SELECT to_timestamp(${last / 1000}::float8) - n * ${step}::interval AS at FROM generate_series(0, ${rows}::int - 1) AS n) AS t
        ON CONFLICT DO NOTHING`;
    await sql`INSERT INTO symbols (symbol, source) SELECT s, 'push' FROM unnest(${names}::text[]) AS s`;
    await refreshRange(sql, last - 64 * 24 * 60 * MINUTE_MS, systemClock.now());
    // What the background jobs would have done by and by, and would do all at once now.
    for (const view of ['5m', '1h', '1d', '1w', '1mon'])
      await sql.unsafe(`CALL refresh_continuous_aggregate('ohlcv_${view}', NULL, now() - INTERVAL '2 hours')`);
    await sql`SELECT compress_chunk(c, true) FROM show_chunks('ohlcv', older_than => INTERVAL '7 days') AS c`;
    await sql`ANALYZE`;
  } finally {
    await sql.end();
  }
}

function ms(value: number | string | undefined): string {
  const number = Number(value);
  return number >= 1000 ? `${(number / 1000).toFixed(2)} s` : `${number.toFixed(0)} ms`;
}
