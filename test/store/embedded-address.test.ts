import { once } from 'node:events';
import { access, chmod, chown, mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import postgres from 'postgres';
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/kit/clock.js';
import { prepareSocketDirectory, socketDirectory } from '../../src/kit/embedded/socket-directory.js';
import { UserError } from '../../src/kit/errors.js';
import { silentLog } from '../../src/kit/log.js';
import { POSTGRES } from '../../src/store/embedded/running.js';
import { type EmbeddedDatabase, postgresOptions, startEmbeddedDatabase } from '../../src/store/embedded/start.js';
import { Database } from '../../src/store/timescale/database.js';
import { readEpochs, takePartition } from '../../src/store/timescale/writers.js';
import { testDataDir } from '../support/database.js';
import { minute, minutes, openSpool, temporaryDirectory } from './spool-support.js';
import { startWriter } from './timescale-support.js';

let dataDir: string;

beforeEach(async () => {
  dataDir = await testDataDir();
});
afterEach(async () => {
  await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
});

async function start(): Promise<EmbeddedDatabase> {
  const database = await startEmbeddedDatabase({ dataDir, log: silentLog });
  onTestFinished(() => database.stop());
  return database;
}

async function kill(database: EmbeddedDatabase): Promise<void> {
  process.kill(database.pid, 'SIGKILL');
  await database.exited;
}

it('the address is the same after kill -9, and clients find the database again by themselves', async () => {
  const first = await start();
  const pool = postgres(first.url, { ...postgresOptions(first.url), max: 4, backoff: () => 0.05 });
  const readers = new Database({ url: first.url, clock: systemClock, max: 4 });
  onTestFinished(async () => {
    await pool.end({ timeout: 0 });
    await readers.close();
  });
  const { epoch } = await readers.run((sql) => takePartition(sql, 'all', 'n'));
  const directory = await temporaryDirectory();
  const spool = await openSpool(directory);
  const writer = await startWriter(first, spool, directory);
  await spool.append(minutes(0, 300).map(({ candle }) => ({ kind: 'candle', epoch, candle })));
  await writer.drained();
  await kill(first);
  await spool.append([minute(300, {}, epoch)]);
  await expect.poll(() => writer.stats().state, { timeout: 20_000 }).toBe('away');
  await expect(readers.run(readEpochs)).rejects.toThrow();
  const second = await start();
  expect(second.url).toBe(first.url);
  await writer.drained();
  expect((await readers.run(readEpochs)).epoch).toBe(epoch);
  const counts = await Promise.all([1, 2, 3, 4].map(() => pool`SELECT count(*)::int AS n FROM ohlcv`));
  expect(counts.map(([row]) => row?.n)).toEqual([301, 301, 301, 301]);
});

it('of two that start at once on what a killed one left, one serves and the other is refused', async () => {
  await kill(await start());
  const both = await Promise.allSettled([start(), start()]);
  const served = both.find((result) => result.status === 'fulfilled');
  const refused = both.find((result) => result.status === 'rejected');
  expect(refused?.reason).toBeInstanceOf(UserError);
  const url = served?.value.url ?? '';
  const sql = postgres(url, { ...postgresOptions(url), max: 1 });
  onTestFinished(() => sql.end({ timeout: 0 }));
  expect(await sql`SELECT 1 AS n`).toHaveLength(1);
});

it('one that is refused leaves the socket of the other alone', async () => {
  const { url } = await start();
  await expect(startEmbeddedDatabase({ dataDir, log: silentLog })).rejects.toBeInstanceOf(UserError);
  const sql = postgres(url, { ...postgresOptions(url), max: 1 });
  onTestFinished(() => sql.end({ timeout: 0 }));
  expect(await sql`SELECT 1 AS n`).toHaveLength(1);
});

it('the address depends on the directory, not on the way to it', async () => {
  const link = `${dataDir}-link`;
  await symlink(dataDir, link);
  onTestFinished(() => rm(link, { force: true }));
  const place = await socketDirectory(dataDir, POSTGRES);
  expect(dirname(place)).toBe(tmpdir());
  expect(await socketDirectory(link, POSTGRES)).toBe(place);
  await mkdir(join(dataDir, 'other'));
  expect(await socketDirectory(join(dataDir, 'other'), POSTGRES)).not.toBe(place);
});

it('an address that is too long for a socket is refused', async () => {
  const before = process.env.TMPDIR;
  process.env.TMPDIR = `/${'long/'.repeat(14)}`;
  try {
    const place = socketDirectory(dataDir, POSTGRES);
    await expect(place).rejects.toThrow(/set TMPDIR to a shorter directory/);
    await expect(place).rejects.toBeInstanceOf(UserError);
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
});

async function place(): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), 'candlecast-place-'));
  onTestFinished(() => rm(parent, { recursive: true, force: true, maxRetries: 5 }));
  return join(parent, 'sockets');
}

it('the directory is made private, and a socket that nobody serves is removed', async () => {
  const directory = await place();
  await mkdir(directory);
  await chmod(directory, 0o755);
  await writeFile(join(directory, POSTGRES.socket), '');
  await prepareSocketDirectory(directory, POSTGRES);
  expect((await stat(directory)).mode & 0o777).toBe(0o700);
  await expect(access(join(directory, POSTGRES.socket))).rejects.toMatchObject({ code: 'ENOENT' });
});

it('a socket that another database serves is left alone', async () => {
  const directory = await place();
  await mkdir(directory, { mode: 0o700 });
  const other = createServer((socket) => socket.destroy()).listen(join(directory, POSTGRES.socket));
  await once(other, 'listening');
  onTestFinished(() => void other.close());
  await expect(prepareSocketDirectory(directory, POSTGRES)).rejects.toThrow(/another database listens in/);
  await access(join(directory, POSTGRES.socket));
});

it('a link, a file and a directory of somebody else are not used', async () => {
  const directory = await place();
  await symlink(dataDir, directory);
  await expect(prepareSocketDirectory(directory, POSTGRES)).rejects.toBeInstanceOf(UserError);
  await rm(directory);
  await writeFile(directory, '');
  await expect(prepareSocketDirectory(directory, POSTGRES)).rejects.toThrow(/belongs to somebody else/);
  if (process.getuid?.() !== 0) return;
  await rm(directory);
  await mkdir(directory, { mode: 0o700 });
  await chown(directory, 65_534, 65_534);
  await expect(prepareSocketDirectory(directory, POSTGRES)).rejects.toThrow(/belongs to somebody else/);
});
