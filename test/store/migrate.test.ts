import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Sql } from 'postgres';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { UserError } from '../../src/kit/errors.js';
import { silentLog } from '../../src/kit/log.js';
import { readMigrations } from '../../src/kit/migrations.js';
import { migrate } from '../../src/store/migrate.js';
import { listSymbols, registerStored } from '../../src/store/timescale/symbols.js';
import { realPostgres, type TestDatabase, TIMESCALE_MIGRATIONS, testDatabase } from '../support/database.js';

const POSTGRES_MIGRATIONS = join(dirname(TIMESCALE_MIGRATIONS), 'postgres');

describe('migrations on a real PostgreSQL', () => {
  let database: TestDatabase;
  let sql: Sql;
  let directory: string;

  beforeAll(async () => {
    database = await realPostgres();
    sql = database.connect({ max: 4 });
  });
  afterAll(() => database.stop());
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'candlecast-migrations-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }));

  const file = (name: string, text: string) => writeFile(join(directory, name), text);
  const run = (upTo?: number) => migrate({ sql, directory, log: silentLog, ...(upTo === undefined ? {} : { upTo }) });

  it('applies each file once, in order, and tells what it does', async () => {
    await file('0001_one.sql', 'CREATE TABLE a (x int);\nINSERT INTO a VALUES (1);');
    await file('0002_two.sql', 'INSERT INTO a VALUES (2); -- the end');
    const told: string[] = [];
    const options = { sql, directory, log: silentLog };
    const onProgress = (p: { migration: string; index: number; total: number }) =>
      told.push(`${p.migration} ${p.index}/${p.total}`);
    expect(await migrate({ ...options, onProgress })).toBe(2);
    expect(await migrate({ ...options, onProgress })).toBe(0);
    expect(told).toEqual(['0001_one 1/2', '0002_two 2/2']);
    expect((await sql`SELECT x FROM a ORDER BY x`).map((row) => row.x)).toEqual([1, 2]);
  });

  it('refuses a file that was changed after it was applied', async () => {
    await file('0001_one.sql', 'SELECT 1;');
    await run();
    await file('0001_one.sql', 'SELECT 2;');
    await expect(run()).rejects.toThrow(/0001_one is not what this database was made with/);
    await expect(run()).rejects.toBeInstanceOf(UserError);
  });

  it('takes the same file with other line ends for the same', async () => {
    await file('0001_one.sql', 'SELECT 1;\nSELECT 2;\n');
    await run();
    await file('0001_one.sql', 'SELECT 1;\r\nSELECT 2;\r\n');
    expect(await run()).toBe(0);
  });

  it('refuses a database of a newer schema', async () => {
    await file('0001_one.sql', 'SELECT 1;');
    await file('0002_two.sql', 'SELECT 2;');
    await run();
    await rm(join(directory, '0002_two.sql'));
    await expect(run()).rejects.toThrow(/newer schema .* 2: two/);
    await expect(run()).rejects.toBeInstanceOf(UserError);
  });

  it('runs a migration again that failed half-way', async () => {
    await file('0001_half.sql', 'CREATE TABLE IF NOT EXISTS half (x int); INSERT INTO half_later VALUES (1);');
    await expect(run()).rejects.toThrow(/0001_half failed at "INSERT INTO half_later/);
    await sql`CREATE TABLE half_later (x int)`;
    expect(await run()).toBe(1);
    expect(await sql`SELECT x FROM half_later`).toHaveLength(1);
  });

  it('lets two processes migrate at once, one after the other', async () => {
    await file('0001_slow.sql', 'CREATE TABLE once (x int); SELECT pg_sleep(0.2); INSERT INTO once VALUES (1);');
    expect((await Promise.all([run(), run(), run()])).sort()).toEqual([0, 0, 1]);
    expect(await sql`SELECT x FROM once`).toHaveLength(1);
  });

  it('stops at upTo', async () => {
    await file('0001_one.sql', 'SELECT 1;');
    await file('0002_two.sql', 'SELECT 2;');
    expect(await run(1)).toBe(1);
    expect(await run()).toBe(1);
  });

  it('names a file with a wrong name or a hole in the numbers', async () => {
    await file('0002_two.sql', 'SELECT 2;');
    await expect(run()).rejects.toThrow(/two is number 2, expected 1/);
    await file('3_three.sql', 'SELECT 2;');
    await expect(run()).rejects.toThrow(/named like 0001_tables\.sql/);
  });

  it('only reads a database that has everything, and says of a replica that lacks something where it comes from', async () => {
    // The set of TimescaleDB cannot be applied here: its journal is that of a database where it was.
    const sets = [TIMESCALE_MIGRATIONS, POSTGRES_MIGRATIONS];
    await migrate({ sql, directory: POSTGRES_MIGRATIONS, log: silentLog });
    const { name: set, migrations } = await readMigrations(TIMESCALE_MIGRATIONS);
    for (const { version, name, checksum } of migrations)
      await sql`INSERT INTO schema_migrations (migration_set, version, name, checksum) VALUES (${set}, ${version}, ${name}, ${checksum})`;
    const reading = database.connect({ max: 1, connection: { default_transaction_read_only: true } });
    const attempt = (directory: string) => migrate({ sql: reading, directory, log: silentLog });
    await expect(reading`CREATE TABLE IF NOT EXISTS schema_migrations (x int)`).rejects.toThrow(/read-only/);
    for (const each of sets) expect(await attempt(each)).toBe(0);
    await sql`INSERT INTO ohlcv (symbol, timestamp, open, high, low, close, volume) VALUES ('NEW', now(), 1, 1, 1, 1, 1)`;
    await registerStored(reading, 'push');
    expect((await listSymbols(reading)).map(({ symbol }) => symbol)).not.toContain('NEW');
    await sql`DELETE FROM schema_migrations WHERE version = ${migrations.length} AND migration_set = ${set}`;
    await expect(attempt(TIMESCALE_MIGRATIONS)).rejects.toThrow(/to be migrated \(timescale\).*may only be read/);
    await sql`DROP TABLE schema_migrations`;
    await expect(attempt(POSTGRES_MIGRATIONS)).rejects.toBeInstanceOf(UserError);
    await sql`TRUNCATE ohlcv`;
  });

  it('says that TimescaleDB is missing', async () => {
    const attempt = migrate({ sql, directory: TIMESCALE_MIGRATIONS, log: silentLog });
    await expect(attempt).rejects.toThrow(/has no timescaledb extension/);
    await expect(attempt).rejects.toBeInstanceOf(UserError);
  });
});

describe('the Timescale schema', () => {
  let database: TestDatabase;
  let sql: Sql;

  beforeAll(async () => {
    database = await testDatabase();
    sql = database.connect();
  });
  afterAll(() => database.stop());

  it('has ohlcv exactly as the data model says, as a hypertable', async () => {
    const columns = await sql`
      SELECT attname AS name, format_type(atttypid, atttypmod) AS type, attnotnull AS filled
      FROM pg_attribute WHERE attrelid = 'ohlcv'::regclass AND attnum BETWEEN 1 AND 7 ORDER BY attnum`;
    const number = (name: string) => ({ name, type: 'numeric(20,8)', filled: true });
    expect([...columns]).toEqual([
      { name: 'symbol', type: 'character varying(50)', filled: true },
      { name: 'timestamp', type: 'timestamp with time zone', filled: true },
      ...['open', 'high', 'low', 'close', 'volume'].map(number),
    ]);
    const [key] =
      await sql`SELECT pg_get_constraintdef(oid) AS text FROM pg_constraint WHERE conrelid = 'ohlcv'::regclass AND contype = 'p'`;
    expect(key?.text).toBe('PRIMARY KEY (symbol, "timestamp")');
    const [dimension] =
      await sql`SELECT column_name FROM timescaledb_information.dimensions WHERE hypertable_name = 'ohlcv'`;
    expect(dimension?.column_name).toBe('timestamp');
  });

  it('starts its epochs at the time of its creation', async () => {
    const [row] =
      await sql`SELECT epoch::bigint > 1700000000 AND epoch <= extract(epoch FROM now()) AS sane FROM writer_epochs`;
    expect(row?.sane).toBe(true);
  });

  it('bears every statement of every migration a second time', async () => {
    await sql`DELETE FROM schema_migrations`;
    const { migrations } = await readMigrations(TIMESCALE_MIGRATIONS);
    expect(await migrate({ sql, directory: TIMESCALE_MIGRATIONS, log: silentLog })).toBe(migrations.length);
  });
});
