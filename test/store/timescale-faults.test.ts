import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Sql } from 'postgres';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import { realPostgres, type TestDatabase } from '../support/database.js';
import { minutes, openSpool, temporaryDirectory } from './spool-support.js';
import { allowEpochs, startWriter } from './timescale-support.js';

let server: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  server = await realPostgres();
  sql = server.connect({ max: 1 });
  await allowEpochs(sql, 1);
});
afterAll(async () => await server.stop());
beforeEach(async () => void (await sql`DELETE FROM ohlcv`));

const ROWS = 20_000;

async function backlog(rows: number) {
  const directory = await temporaryDirectory();
  const spool = await openSpool(directory);
  for (let n = 0; n < rows; n += 500) await spool.append(minutes(n, 500));
  return { directory, spool };
}

/** Rows, and a sum that any missing, doubled or other row would change. */
async function contents(): Promise<[number, string]> {
  const [row] = await sql`SELECT count(*)::int AS rows, coalesce(sum(close * trade_count), 0)::text AS sum FROM ohlcv`;
  return [row?.rows, row?.sum];
}

async function expected(rows: number): Promise<[number, string]> {
  let sum = 0n;
  for (const { candle } of minutes(0, rows)) sum += BigInt(candle.close.replace('.', '')) * BigInt(candle.trades);
  const digits = sum.toString().padStart(9, '0');
  return [rows, `${digits.slice(0, -8)}.${digits.slice(-8)}`];
}

async function writerPids(): Promise<number[]> {
  const rows = await sql`SELECT pid FROM pg_stat_activity WHERE application_name = 'candlecast'`;
  return rows.map((row) => Number(row.pid));
}

test('connections reset in the middle of batches lose and double nothing', async () => {
  const { directory, spool } = await backlog(ROWS);
  const writer = await startWriter(server, spool, directory, { batchRecords: 500, random: () => 0 });
  let done = false;
  const drained = writer.drained().then(() => {
    done = true;
  });
  let resets = 0;
  for (let written = -1; !done && resets < 15; ) {
    const { batches } = writer.stats();
    if (batches > written) {
      written = batches;
      const [row] = await sql`
        SELECT count(pg_terminate_backend(pid))::int AS ended FROM pg_stat_activity WHERE application_name = 'candlecast'`;
      resets += row?.ended ?? 0;
    } else await sql`SELECT 1`;
  }
  await drained;
  expect(resets).toBeGreaterThan(5);
  expect(writer.stats().failures).toBeGreaterThan(0);
  expect(await contents()).toEqual(await expected(ROWS));
});

test('a server that crashes and recovers loses and doubles nothing', async () => {
  const { directory, spool } = await backlog(ROWS);
  const writer = await startWriter(server, spool, directory, { batchRecords: 500, random: () => 0 });
  await expect.poll(() => writer.stats().batches, { interval: 1, timeout: 20_000 }).toBeGreaterThan(2);
  const [pid] = await writerPids();
  // The postmaster answers the death of one backend by ending all of them and replaying the log.
  if (pid !== undefined) process.kill(pid, 'SIGKILL');
  await writer.drained();
  expect(writer.stats().failures).toBeGreaterThan(0);
  await sql`SELECT 1`.catch(() => undefined);
  expect(await contents()).toEqual(await expected(ROWS));
});

test('a frozen connection is given up and the rows go over a new one', async () => {
  const { directory, spool } = await backlog(500);
  const writer = await startWriter(server, spool, directory, { deadlineMs: 300 });
  await writer.drained();
  const [pid] = await writerPids();
  if (pid === undefined) throw new Error('the writer has no connection');
  process.kill(pid, 'SIGSTOP');
  onTestFinished(() => void process.kill(pid, 'SIGCONT'));
  await spool.append(minutes(500, 500));
  await writer.drained();
  expect(await writerPids()).not.toEqual([pid]);
  expect(await contents()).toEqual(await expected(1000));
});

test('a frozen server is waited for, with one line in the log when it goes and one when it is back', async () => {
  const { directory, spool } = await backlog(500);
  const lines: string[] = [];
  const log = {
    ...silentLog,
    warn: (_: object, line: string) => lines.push(line),
    info: (_: object, line: string) => lines.push(line),
  };
  const writer = await startWriter(server, spool, directory, { deadlineMs: 200, log, random: () => 0 });
  await writer.drained();
  const postmaster = Number((await readFile(join(server.dataDir, 'data', 'postmaster.pid'), 'utf8')).split('\n')[0]);
  const frozen = [postmaster, ...(await writerPids())];
  for (const pid of frozen) process.kill(pid, 'SIGSTOP');
  const appended = spool.append(minutes(500, 500));
  await appended;
  await expect.poll(() => writer.stats().failures, { timeout: 20_000 }).toBeGreaterThan(2);
  expect(writer.stats()).toMatchObject({ state: 'away' });
  expect(spool.stats().recordsBehind).toBe(500);
  for (const pid of frozen) process.kill(pid, 'SIGCONT');
  await writer.drained();
  expect(writer.stats()).toMatchObject({ lastError: null });
  expect(lines).toHaveLength(2);
  expect(await contents()).toEqual(await expected(1000));
});

test('an absence of hours is noticed to be over within two seconds', async () => {
  const directory = await temporaryDirectory();
  const spool = await openSpool(directory);
  await spool.append(minutes(0, 3));
  const deadlineMs = 30_000;
  const pauses: number[] = [];
  const after = (delayMs: number, run: () => void): (() => void) => {
    if (delayMs === deadlineMs) return systemClock.after(delayMs, run);
    pauses.push(delayMs);
    return systemClock.after(0, run);
  };
  const nowhere = { url: `postgres://postgres@${encodeURIComponent(directory)}/postgres` };
  const options = { random: () => 0.999, deadlineMs, clock: { ...systemClock, after } };
  const writer = await startWriter(nowhere, spool, directory, options);
  await expect.poll(() => writer.stats().failures, { timeout: 20_000 }).toBeGreaterThan(30);
  await writer.stop();
  expect(pauses[0]).toBeLessThanOrEqual(100);
  expect(Math.max(...pauses.slice(0, 30))).toBeGreaterThan(1500);
  expect(Math.max(...pauses.slice(0, 30))).toBeLessThanOrEqual(2000);
});

test('where no server listens nothing is lost, and stop does not wait', async () => {
  const directory = await temporaryDirectory();
  const spool = await openSpool(directory);
  await spool.append(minutes(0, 3));
  const nowhere = { url: `postgres://postgres@${encodeURIComponent(directory)}/postgres` };
  const writer = await startWriter(nowhere, spool, directory, { random: () => 0 });
  await expect.poll(() => writer.stats().failures, { timeout: 20_000 }).toBeGreaterThan(1);
  await writer.stop();
  expect(spool.stats().recordsBehind).toBe(3);
});
