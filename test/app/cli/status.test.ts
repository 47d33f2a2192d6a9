import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { showStatus } from '../../../src/app/cli/status.js';
import { importCandles } from '../../../src/app/cli/transfer.js';
import type { DatabaseStatus } from '../../../src/app/status.js';
import { systemClock } from '../../../src/kit/clock.js';
import { silentLog } from '../../../src/kit/log.js';
import { postgresOptions } from '../../../src/store/embedded/start.js';
import { Spool } from '../../../src/store/spool/spool.js';
import { minutes } from '../../store/spool-support.js';
import { testDataDir } from '../../support/database.js';
import { DatabaseServer, Program } from '../../support/server.js';
import { json, work } from './ground.js';

const T0 = Date.UTC(2020, 0, 1);
let dataDir: string;
let server: DatabaseServer;

beforeAll(async () => {
  dataDir = await testDataDir();
  const rows = [0, 1, 2, 5].map((minute) => `${T0 + minute * 60_000},1,1,1,1,1`);
  await writeFile(join(dataDir, 'a.csv'), `open_time_ms,open,high,low,close,volume\n${rows.join('\n')}\n`);
  server = await DatabaseServer.start(dataDir);
});

afterAll(async () => {
  await server.stop();
  await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
});

const status = (): Promise<DatabaseStatus> =>
  json({ DATA_DIR: dataDir }, (g) => showStatus(g, { json: true, limit: '50' }));

test('what is stored, beside the process that serves the embedded database', async () => {
  const sql = postgres(server.url, { ...postgresOptions(server.url), max: 1 });
  await sql`DELETE FROM schema_migrations WHERE migration_set = 'postgres' AND version > 1`;
  await sql.end();
  const before = await status();
  expect(before).toMatchObject({ embedded: true, spool: { bytesBehind: 0 }, stored: { symbols: 0 } });
  expect(before.schemas.map(({ set, state }) => `${set}: ${state}`)).toEqual([
    'timescale: up to date',
    'postgres: to be migrated',
  ]);

  const env = { DATA_DIR: dataDir, TIMESCALE_URL: server.url };
  await work(env, (g) => importCandles(g, join(dataDir, 'a.csv'), { symbol: 'ABC' }));
  const spool = new Spool({ directory: join(dataDir, 'spool'), clock: systemClock, log: silentLog });
  await spool.start();
  await spool.append(minutes(0, 10));
  await spool.stop();

  const { stored, spool: waiting } = await status();
  expect(stored?.shown).toEqual([
    { symbol: 'ABC', source: 'import', minutes: 4, oldest: T0, newest: T0 + 300_000, gaps: 1 },
  ]);
  expect(stored?.aggregates.map(({ interval }) => interval)).toEqual(['5m', '1h', '1d', '1w', '1M']);
  expect(stored?.jobs.map(({ job }) => job)).toContain('compression');
  expect(stored?.writers).toMatchObject([{ partition: 'all', node: 'import' }]);
  expect(waiting.bytesBehind).toBeGreaterThan(100);
});

test('as a program, in words', async () => {
  const program = new Program(['db', 'status', '--limit', '1'], { DATA_DIR: dataDir });
  expect(await program.exited()).toBe(0);
  expect(program.output).toMatch(/^PostgreSQL 17\S* \(embedded\), TimescaleDB 2/);
  expect(program.output).toMatch(/ABC {5}import {8}4 {2}2020-01-01 00:00:00 {2}2020-01-01 00:05:00 {5}1\n/);
});
