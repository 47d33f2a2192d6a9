import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { postgresOptions } from '../../src/store/embedded/start.js';
import type { WireCandle } from '../../src/wire/messages.js';
import { ClosedRecorder } from '../support/closed-recorder.js';
import { asKline, exchangeKlines, type Kline, TRADES_FILE } from '../support/oracle.js';
import { DatabaseServer, Server } from '../support/server.js';
import { metric } from './support.js';

const klines = exchangeKlines();
let directory: string;
let database: DatabaseServer;
let server: Server;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'candlecast-oracle-'));
  database = await DatabaseServer.start(join(directory, 'db'));
  // Slow enough that a client is there for most of it, quick enough for a test: 59 hours in some seconds.
  const feeds = `replay:${TRADES_FILE}?speed=30000&symbol=XRPETH`;
  server = await Server.start({ DATA_DIR: join(directory, 'node'), DATABASE_URL: database.url, FEEDS: feeds });
});

afterAll(async () => {
  await server?.stop();
  await database?.stop();
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
});

async function overRest(server: Server): Promise<WireCandle[]> {
  const candles: WireCandle[] = [];
  let cursor = 'from=0';
  for (;;) {
    type Page = { candles: WireCandle[]; next: string | null };
    const page: Page = await server.json(`/v1/candles?symbol=XRPETH&interval=1m&limit=1000&${cursor}`);
    candles.push(...page.candles);
    if (page.next === null) return candles;
    cursor = `cursor=${page.next}`;
  }
}

describe('the real trades, replayed, equal the klines of the exchange digit for digit', () => {
  it('over the closed channel of the WebSocket', async () => {
    const recorder = new ClosedRecorder('candles:XRPETH:1m:closed');
    await recorder.connect(server.port);
    await recorder.reach(klines.length);
    recorder.disconnect();
    expect(recorder.faults).toEqual([]);
    expect(recorder.candles.map(asKline)).toEqual(klines);
  });

  it('over REST', async () => {
    // A database that is seconds behind, on a busy machine, is answered with 503 until it has caught up.
    await expect.poll(() => metric(server, 'spool_records'), { timeout: 120_000, interval: 200 }).toBe(0);
    const candles = await overRest(server);
    expect(candles.every((candle) => candle.x && candle.r === 0)).toBe(true);
    expect(candles.map(asKline)).toEqual(klines);
  });

  it('in the table', async () => {
    await server.stop();
    const sql = postgres(database.url, { ...postgresOptions(database.url), max: 1 });
    const rows = await sql<{ t: string; open: string; high: string; low: string; close: string; volume: string }[]>`
      SELECT extract(epoch FROM timestamp) * 1000 AS t, open, high, low, close, volume
      FROM ohlcv WHERE symbol = 'XRPETH' ORDER BY timestamp`;
    const [totals] = await sql`SELECT sum(trade_count)::text AS trades, min(first_trade_id)::text AS first,
      max(last_trade_id)::text AS last, max(revision) AS revision FROM ohlcv WHERE symbol = 'XRPETH'`;
    await sql.end();
    const table = rows.map((row): Kline => [Number(row.t), row.open, row.high, row.low, row.close, row.volume]);
    expect(table).toEqual(klines);
    expect(totals).toEqual({ trades: '12477', first: '13519807', last: '13532283', revision: 0 });
  });
});
