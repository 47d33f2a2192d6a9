import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Sql } from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import type { CandleRecord, SpoolRecord } from '../../src/store/spool/record.js';
import { encodeCopy } from '../../src/store/timescale/batch.js';
import { copyRows } from '../../src/store/timescale/copy.js';
import { Database } from '../../src/store/timescale/database.js';
import { distinctEpochs, upsertCandles, upsertGap } from '../../src/store/timescale/upsert.js';
import { NOT_A_WRITER, readEpochs, takePartition } from '../../src/store/timescale/writers.js';
import { realPostgres, type TestDatabase, testDatabase } from '../support/database.js';
import { minute, openSpool, T0, temporaryDirectory } from './spool-support.js';
import { startWriter } from './timescale-support.js';

const engines: [string, () => Promise<TestDatabase>][] = [
  ['PostgreSQL', realPostgres],
  ['embedded TimescaleDB', testDatabase],
];

describe.each(engines)('writers of %s', (_name, start) => {
  let server: TestDatabase;
  let sql: Sql;
  let database: Database;

  beforeAll(async () => {
    server = await start();
    sql = server.connect({ max: 1 });
    database = new Database({ url: server.url, clock: systemClock });
  });
  afterAll(async () => {
    await database.close();
    await server.stop();
  });
  beforeEach(async () => {
    await sql`DELETE FROM ohlcv`;
    await sql`DELETE FROM gaps`;
    await sql`DELETE FROM writers`;
  });

  const take = async (partition: string, node = 'n') =>
    (await database.run((one) => takePartition(one, partition, node))).epoch;
  const rows = (epoch: number, from: number, count: number): CandleRecord[] =>
    Array.from({ length: count }, (_, i) => minute(from + i, {}, epoch));
  const stored = async (): Promise<number[]> =>
    (await sql`SELECT epoch::int8::text AS epoch, count(*)::int AS n FROM ohlcv GROUP BY 1 ORDER BY 1`).flatMap(
      ({ epoch, n }) => [Number(epoch), Number(n)],
    );
  const upsert = (records: CandleRecord[]) => database.run((one) => upsertCandles(one, records));
  const copy = async (records: CandleRecord[]) => {
    const chunks = await encodeCopy(records);
    if (chunks === null) throw new TypeError('not encodable');
    return await database.run((one) => copyRows(one, chunks, distinctEpochs(records)));
  };
  const gap = (epoch: number, seq: number): Extract<SpoolRecord, { kind: 'gap' }> => ({
    kind: 'gap',
    epoch,
    gap: { symbol: 'XRPETH', from: T0, to: T0 + 60_000, reason: 'test', seq },
  });

  test('every take has a new epoch, counted from the creation of the database', async () => {
    const before = await database.run(readEpochs);
    const first = await database.run((one) => takePartition(one, 'p1', 'a'));
    expect(first).toEqual({ epoch: before.epoch + 1, first: before.first });
    expect(first.first).toBeGreaterThan(Date.UTC(2024, 0, 1) / 1000);
    const again = await take('p1', 'b');
    const other = await take('p2', 'b');
    expect([again, other]).toEqual([first.epoch + 1, first.epoch + 2]);
    const all = await sql`SELECT partition, epoch::int8::text AS epoch, node FROM writers ORDER BY 1`;
    expect(all.map((row) => [row.partition, Number(row.epoch), row.node])).toEqual([
      ['p1', again, 'b'],
      ['p2', other, 'b'],
    ]);
  });

  test('whoever takes all takes every partition, and whoever takes one takes it from who has all', async () => {
    const [one, two] = [await take('p1'), await take('p2')];
    const all = await take('all');
    expect((await upsert([minute(1, {}, one), minute(2, {}, two), minute(3, {}, all)])).refused).toEqual([one, two]);
    await take('p1');
    expect((await upsert([minute(4, {}, all)])).refused).toEqual([all]);
  });

  test('an upsert leaves out what is of an older epoch, and says so', async () => {
    const old = await take('p1');
    const other = await take('p2');
    const now = await take('p1');
    const result = await upsert([...rows(old, 0, 2), ...rows(other, 2, 2), ...rows(now, 4, 2), minute(9, {}, 1)]);
    expect(result).toEqual({ written: 4, refused: [old, 1] });
    expect(await stored()).toEqual([other, 2, now, 2]);
  });

  test('an older epoch replaces no gap and adds none', async () => {
    const old = await take('p1');
    expect(await database.run((one) => upsertGap(one, gap(old, 1)))).toEqual({ written: 1, refused: [] });
    const now = await take('p1');
    expect(await database.run((one) => upsertGap(one, gap(old, 1)))).toEqual({ written: 0, refused: [old] });
    expect(await database.run((one) => upsertGap(one, gap(old, 2)))).toEqual({ written: 0, refused: [old] });
    expect(await database.run((one) => upsertGap(one, gap(now, 2)))).toEqual({ written: 1, refused: [] });
    const found = await sql`SELECT seq::int, epoch::int8::text AS epoch FROM gaps ORDER BY seq`;
    expect(found.map((row) => [row.seq, Number(row.epoch)])).toEqual([
      [1, old],
      [2, now],
    ]);
  });

  test('a COPY is refused whole when one of its epochs is old, and the connection works on', async () => {
    const old = await take('p1');
    const other = await take('p2');
    expect(await copy(rows(old, 0, 300))).toBe(300);
    const now = await take('p1');
    await expect(copy([...rows(other, 300, 300), ...rows(old, 600, 1)])).rejects.toMatchObject({ code: NOT_A_WRITER });
    await expect(copy(rows(old, 600, 3000))).rejects.toMatchObject({ code: NOT_A_WRITER });
    expect(await stored()).toEqual([old, 300]);
    expect(await copy([...rows(other, 300, 300), ...rows(now, 600, 300)])).toBe(600);
    await expect(copy(rows(now, 600, 300))).rejects.toMatchObject({ code: '23505' });
    expect(await copy(rows(now, 900, 300))).toBe(300);
    expect(await stored()).toEqual([old, 300, other, 300, now, 600]);
  });

  test('the writer puts aside what is fenced, tells its owner once, and writes the rest', async () => {
    const old = await take('p1');
    const other = await take('p2');
    const now = await take('p1');
    const directory = await temporaryDirectory();
    const spool = await openSpool(directory);
    const told: number[] = [];
    const errors: object[] = [];
    const log = { ...silentLog, error: (fields: object) => void errors.push(fields) };
    const writer = await startWriter(server, spool, directory, { log, onFenced: (epoch) => void told.push(epoch) });
    await spool.append([...rows(old, 0, 250), ...rows(other, 250, 250), gap(old, 7)]);
    await writer.drained();
    await spool.append([...rows(old, 500, 300), ...rows(now, 800, 300)]);
    await writer.drained();
    expect(await stored()).toEqual([other, 250, now, 300]);
    expect(told).toEqual([old]);
    expect(errors).toEqual([expect.objectContaining({ epoch: old })]);
    expect(writer.stats()).toMatchObject({ fencedRows: 551, quarantined: 0, state: 'idle' });
    expect(spool.stats().recordsBehind).toBe(0);
    const lines = (await readFile(join(directory, 'quarantine.ndjson'), 'utf8')).trim().split('\n');
    const aside = lines.map((line) => JSON.parse(line));
    expect(aside).toHaveLength(551);
    expect(new Set(aside.map(({ reason }) => reason))).toEqual(
      new Set([`fenced: epoch ${old} is not the current writer`]),
    );
    expect(aside.filter(({ kind }) => kind === 'gap')).toHaveLength(1);
    expect(aside.find(({ candle }) => candle?.openTime === T0 + 500 * 60_000)).toMatchObject(minute(500, {}, old));
  });

  test('what a spool still holds from before there were writers is written', async () => {
    await sql`DROP TABLE writers`;
    const { epoch } = await database.run(readEpochs);
    const text = await readFile(new URL('../../sql/timescale/0006_writers.sql', import.meta.url), 'utf8');
    await sql.unsafe(text);
    expect(await upsert([minute(1, {}, epoch)])).toEqual({ written: 1, refused: [] });
    expect((await upsert([minute(2, {}, epoch - 1)])).refused).toEqual([epoch - 1]);
  });
});

describe('taking a partition while its rows are being written', () => {
  let server: TestDatabase;
  let sql: Sql;

  beforeAll(async () => {
    server = await realPostgres();
    sql = server.connect({ max: 1 });
  });
  afterAll(async () => await server.stop());
  beforeEach(async () => {
    await sql`DELETE FROM ohlcv`;
  });

  function connection(): Database {
    const database = new Database({ url: server.url, clock: systemClock });
    onTestFinished(async () => await database.close());
    return database;
  }
  const count = async () => (await sql`SELECT count(*)::int AS n FROM ohlcv`)[0]?.n;

  /** Resolves when so many sessions wait for a lock. */
  async function waiting(sessions: number): Promise<void> {
    await expect
      .poll(
        async () => (await sql`SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock'`)[0]?.n,
        { interval: 2, timeout: 20_000 },
      )
      .toBe(sessions);
  }

  /** Another session's transaction, open until `end`. */
  async function transaction(statement: (held: Sql) => Promise<unknown>): Promise<(how: string) => Promise<void>> {
    const held = await server.connect({ max: 1 }).reserve();
    await held`BEGIN`;
    await statement(held);
    let open = true;
    const end = async (how: string): Promise<void> => {
      open = false;
      await held.unsafe(how);
      held.release();
    };
    onTestFinished(async () => {
      if (open) await end('ROLLBACK');
    });
    return end;
  }

  /** Rows of one statement, the first of which meets `minute(0)` of somebody else. */
  const ways: [string, (database: Database, epoch: number) => Promise<unknown>][] = [
    [
      'an upsert',
      (database, epoch) => database.run((one) => upsertCandles(one, [minute(0, {}, epoch), minute(1, {}, epoch)])),
    ],
    [
      'a COPY',
      async (database, epoch) => {
        const chunks = (await encodeCopy([minute(0, {}, epoch), minute(1, {}, epoch)])) ?? [];
        return await database.run((one) => copyRows(one, chunks, [epoch]));
      },
    ],
  ];

  describe.each(ways)('%s', (_way, write) => {
    test('under way is waited for, and its rows are there for the taker', async () => {
      const { epoch } = await connection().run((one) => takePartition(one, 'p1', 'a'));
      const end = await transaction(
        (held) => held`INSERT INTO ohlcv (symbol, timestamp, open, high, low, close, volume)
        VALUES ('XRPETH', ${new Date(T0)}, 1, 1, 1, 1, 1)`,
      );
      const written = write(connection(), epoch);
      await waiting(1);
      let taken = false;
      const taking = connection()
        .run((one) => takePartition(one, 'p1', 'b'))
        .then(() => {
          taken = true;
        });
      await waiting(2);
      expect(taken).toBe(false);
      await end('ROLLBACK');
      await taking;
      expect(await count()).toBe(2);
      await written;
    });

    test('that waits for the taker is refused when the take is committed', async () => {
      const { epoch } = await connection().run((one) => takePartition(one, 'p1', 'a'));
      const end = await transaction((held) => takePartition(held, 'p1', 'b'));
      const written = write(connection(), epoch).then(
        (value) => value,
        (error: unknown) => error,
      );
      await waiting(1);
      await end('COMMIT');
      expect(await written).toMatchObject(_way === 'a COPY' ? { code: NOT_A_WRITER } : { refused: [epoch] });
      expect(await count()).toBe(0);
    });

    test('that waits for a taker who fails is written', async () => {
      const { epoch } = await connection().run((one) => takePartition(one, 'p1', 'a'));
      const end = await transaction((held) => takePartition(held, 'p1', 'b'));
      const written = write(connection(), epoch);
      await waiting(1);
      await end('ROLLBACK');
      await written;
      expect(await count()).toBe(2);
    });

    test('whose connection dies leaves no row', async () => {
      const { epoch } = await connection().run((one) => takePartition(one, 'p1', 'a'));
      const end = await transaction(
        (held) => held`INSERT INTO ohlcv (symbol, timestamp, open, high, low, close, volume)
        VALUES ('XRPETH', ${new Date(T0)}, 1, 1, 1, 1, 1)`,
      );
      const written = write(connection(), epoch).catch((error: unknown) => error);
      await waiting(1);
      const taking = connection().run((one) => takePartition(one, 'p1', 'b'));
      await waiting(2);
      await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%ohlcv%'`;
      await taking;
      await end('ROLLBACK');
      expect(await written).toBeInstanceOf(Error);
      expect(await count()).toBe(0);
    });
  });

  test('a frozen writer in the middle of a COPY does not hold the taker up, and leaves no row', async () => {
    const { epoch } = await connection().run((one) => takePartition(one, 'p1', 'a'));
    const [header, chunk] = (await encodeCopy([minute(0, {}, epoch)])) ?? [];
    if (header === undefined || chunk === undefined) throw new TypeError('not encodable');
    // Without the trailer the server waits for more, as it would for a process that is stopped.
    const frozen = server.connect({ max: 1 });
    const stream = await frozen.unsafe(`CALL require_writers('{${epoch}}'); ${COPY_ALL}`).writable();
    const broken = new Promise((resolve) => stream.on('error', resolve));
    stream.write(Buffer.concat([header, chunk]));
    const next = await connection().run((one) => takePartition(one, 'p1', 'b'));
    expect(next.epoch).toBe(epoch + 1);
    expect(await connection().run((one) => upsertCandles(one, [minute(0, {}, next.epoch)]))).toMatchObject({
      written: 1,
    });
    expect(await broken).toBeInstanceOf(Error);
    expect(await count()).toBe(1);
  });

  test('a write that does not end fails the take, which changes nothing', async () => {
    const { epoch } = await connection().run((one) => takePartition(one, 'p1', 'a'));
    const end = await transaction(
      (held) => held`INSERT INTO ohlcv (symbol, timestamp, open, high, low, close, volume)
      VALUES ('XRPETH', ${new Date(T0)}, 1, 1, 1, 1, 1)`,
    );
    const written = connection().run((one) => upsertCandles(one, [minute(0, {}, epoch)]), 60_000);
    await waiting(1);
    await expect(connection().run((one) => takePartition(one, 'p1', 'b'), 60_000)).rejects.toMatchObject({
      code: '55P03',
    });
    await end('ROLLBACK');
    expect(await written).toEqual({ written: 1, refused: [] });
    expect((await connection().run(readEpochs)).epoch).toBe(epoch);
  });
});

const COPY_ALL = `COPY ohlcv (symbol, "timestamp", open, high, low, close, volume, quote_volume, taker_buy_volume,
  taker_buy_quote_volume, trade_count, first_trade_id, last_trade_id, first_trade_time, last_trade_time, revision, seq, epoch)
  FROM STDIN (FORMAT binary)`;
