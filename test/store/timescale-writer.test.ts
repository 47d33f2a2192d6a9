import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Sql } from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { SpoolRecord } from '../../src/store/spool/record.js';
import { WriterStoppedError } from '../../src/store/timescale/writer.js';
import { realPostgres, type TestDatabase, testDatabase } from '../support/database.js';
import { minute, minutes, openSpool, T0, temporaryDirectory } from './spool-support.js';
import { allowEpochs, startWriter } from './timescale-support.js';

const engines: [string, () => Promise<TestDatabase>][] = [
  ['PostgreSQL', realPostgres],
  ['embedded TimescaleDB', testDatabase],
];

describe.each(engines)('writing to %s', (_name, start) => {
  let database: TestDatabase;
  let sql: Sql;

  beforeAll(async () => {
    database = await start();
    sql = database.connect({ max: 1 });
    await allowEpochs(sql, 1, 2, 3, 4, 5, 6);
  });
  afterAll(async () => await database.stop());
  beforeEach(async () => {
    await sql`DELETE FROM ohlcv`;
    await sql`DELETE FROM gaps`;
  });

  /** Everything in the table in the form of the spool's records. */
  async function table(): Promise<SpoolRecord[]> {
    const rows = await sql`
      SELECT *, (extract(epoch FROM timestamp) * 1000)::bigint AS open_ms,
        (extract(epoch FROM first_trade_time) * 1000)::bigint AS first_ms,
        (extract(epoch FROM last_trade_time) * 1000)::bigint AS last_ms
      FROM ohlcv ORDER BY timestamp, symbol`;
    const number = (value: unknown): number | null => (value === null ? null : Number(value));
    return rows.map((row) => ({
      kind: 'candle',
      epoch: Number(row.epoch),
      candle: {
        symbol: row.symbol,
        interval: '1m',
        openTime: Number(row.open_ms),
        open: row.open,
        high: row.high,
        low: row.low,
        close: row.close,
        volume: row.volume,
        quoteVolume: row.quote_volume,
        takerBuyVolume: row.taker_buy_volume,
        takerBuyQuoteVolume: row.taker_buy_quote_volume,
        trades: Number(row.trade_count),
        firstTradeId: number(row.first_trade_id),
        lastTradeId: number(row.last_trade_id),
        firstTradeTime: number(row.first_ms),
        lastTradeTime: number(row.last_ms),
        closed: true,
        revision: Number(row.revision),
        seq: Number(row.seq),
      },
    }));
  }

  async function write(...appends: SpoolRecord[][]) {
    const directory = await temporaryDirectory();
    const spool = await openSpool(directory);
    for (const records of appends) await spool.append(records);
    const writer = await startWriter(database, spool, directory);
    await writer.drained();
    const stats = writer.stats();
    await writer.stop();
    return { directory, spool, stats };
  }

  const edges = {
    high: '999999999999.99999999',
    low: '0.00000000',
    open: '0.00000001',
    close: '10000.00010000',
    quoteVolume: '999999999999999999999999.9999999999999999',
    takerBuyQuoteVolume: '0.0000000000000001',
    firstTradeId: 0,
    lastTradeId: Number.MAX_SAFE_INTEGER,
    firstTradeTime: -1,
  };
  const flat = { trades: 0, firstTradeId: null, lastTradeId: null, firstTradeTime: null, lastTradeTime: null };

  test('a few rows arrive digit for digit, by upsert', async () => {
    const rows = [minute(1), minute(2, edges), minute(3, { ...flat, symbol: 'NULL' })];
    const { stats, spool } = await write(rows);
    expect(await table()).toEqual(rows);
    expect(stats).toMatchObject({ upsertedRows: 3, copiedRows: 0, quarantined: 0 });
    expect(spool.stats()).toMatchObject({ recordsBehind: 0, oldestAgeMs: null });
  });

  test('many rows arrive digit for digit, by COPY', async () => {
    const rows = [...minutes(0, 2500), minute(2500, edges), minute(2501, flat)];
    const { stats } = await write(rows);
    expect(await table()).toEqual(rows);
    expect(stats).toMatchObject({ copiedRows: 2502, upsertedRows: 0 });
  });

  test('a second delivery changes nothing', async () => {
    await write(minutes(0, 1000));
    const { stats } = await write(minutes(500, 1000));
    expect(await table()).toEqual(minutes(0, 1500));
    expect(stats).toMatchObject({ copyConflicts: 1, copiedRows: 0, upsertedRows: 500 });
  });

  test('only a higher (epoch, revision) replaces a row', async () => {
    const newest = minute(1, { revision: 1, close: '7.00000000' }, 5);
    await write([newest]);
    await write([minute(1, { revision: 1, close: '6.00000000' }, 5), minute(1, { revision: 9 }, 4), minute(1, {}, 5)]);
    expect(await table()).toEqual([newest]);
    const corrected = minute(1, { revision: 2, close: '8.00000000' }, 5);
    await write([corrected]);
    expect(await table()).toEqual([corrected]);
    const nextWriter = minute(1, { revision: 0, close: '9.00000000' }, 6);
    await write([nextWriter]);
    expect(await table()).toEqual([nextWriter]);
  });

  test('of one key in one batch the highest (epoch, revision) is kept, in any order', async () => {
    const best = minute(1, { revision: 2, close: '2.00000000' }, 3);
    await write([minute(1, { revision: 1 }, 3), best, minute(1, { revision: 7 }, 2), minute(2)]);
    expect(await table()).toEqual([best, minute(2)]);
  });

  test('gaps are kept once', async () => {
    const gap: SpoolRecord = {
      kind: 'gap',
      epoch: 2,
      gap: { symbol: 'XRPETH', from: T0, to: T0 + 90_001, reason: 'a "quoted" reason, ü', seq: 9 },
    };
    await write([gap], [gap, minute(1)]);
    const rows = await sql`SELECT symbol, from_time, to_time, reason, seq::int, epoch::int FROM gaps`;
    expect(rows.map((row) => ({ ...row }))).toEqual([
      {
        symbol: 'XRPETH',
        from_time: new Date(T0),
        to_time: new Date(T0 + 90_001),
        reason: 'a "quoted" reason, ü',
        seq: 9,
        epoch: 2,
      },
    ]);
  });

  test.each([
    ['among a few', 20],
    ['among many', 1000],
  ])('a row the database refuses for good is put aside and the rest is written, %s', async (_where, count) => {
    const tooWide = minute(5000, { volume: '1000000000000.00000000' });
    const noNumber = minute(5001, { volume: 'lots' });
    const rows = minutes(0, count);
    const { directory, stats } = await write([...rows.slice(0, 7), tooWide, ...rows.slice(7), noNumber]);
    expect(await table()).toEqual(rows);
    expect(stats.quarantined).toBe(2);
    const lines = (await readFile(join(directory, 'quarantine.ndjson'), 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).candle)).toEqual([tooWide.candle, noNumber.candle]);
  });

  test('corrections below the watermark are acknowledged only when they are refreshed', async () => {
    const directory = await temporaryDirectory();
    const spool = await openSpool(directory);
    const refreshed: [number, number][] = [];
    let fail = true;
    const writer = await startWriter(database, spool, directory, {
      random: () => 0,
      aggregates: {
        watermark: async () => T0 + 3_600_000,
        async refresh(from, to) {
          refreshed.push([from, to]);
          if (fail) throw new Error('no refresh yet');
        },
      },
    });
    await spool.append([minute(60)]);
    await writer.drained();
    expect(refreshed).toEqual([]);
    await spool.append([minute(5), minute(61)]);
    const drained = writer.drained();
    await expect.poll(() => writer.stats().state, { timeout: 20_000 }).toBe('away');
    expect(spool.stats().recordsBehind).toBe(2);
    fail = false;
    await drained;
    expect(spool.stats().recordsBehind).toBe(0);
    expect(new Set(refreshed.map(String))).toEqual(new Set([`${T0},${T0 + 3_600_000}`]));
  });

  test('stop leaves what is not written for the next start', async () => {
    const directory = await temporaryDirectory();
    const spool = await openSpool(directory);
    for (let n = 0; n < 5000; n += 100) await spool.append(minutes(n, 100));
    const writer = await startWriter(database, spool, directory, { batchRecords: 100 });
    const drained = writer.drained().catch((error: unknown) => error);
    await writer.stop();
    expect(await drained).toBeInstanceOf(WriterStoppedError);
    await expect(writer.drained()).rejects.toThrow(WriterStoppedError);
    const next = await startWriter(database, spool, directory);
    await next.drained();
    expect(await table()).toEqual(minutes(0, 5000));
  });
});
