import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import postgres, { type Sql } from 'postgres';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/kit/clock.js';
import { takeLock } from '../../src/kit/embedded/lock.js';
import { UserError } from '../../src/kit/errors.js';
import { silentLog } from '../../src/kit/log.js';
import { type EmbeddedDatabase, postgresOptions, startEmbeddedDatabase } from '../../src/store/embedded/start.js';
import { testDataDir } from '../support/database.js';

const SERVER = fileURLToPath(new URL('../support/database-server.ts', import.meta.url));

let dataDir: string;
const cleanups: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  dataDir = await testDataDir();
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
});

async function start(onProgress: (text: string) => void = () => {}): Promise<EmbeddedDatabase> {
  const database = await startEmbeddedDatabase({ dataDir, log: silentLog, onProgress });
  cleanups.push(() => database.stop());
  return database;
}

function client(url: string): Sql {
  const sql = postgres(url, { ...postgresOptions(url), max: 1, onnotice: () => {}, backoff: () => 0.1 });
  cleanups.push(() => sql.end({ timeout: 0 }));
  return sql;
}

/** A server process with an embedded database; its first line is {url, pid}. */
async function startServer(): Promise<{ server: ChildProcess; url: string; pid: number }> {
  const server = spawn(process.execPath, ['--import', 'tsx', SERVER, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (server.stdout === null) throw new TypeError('no stdout');
  const [line] = await once(createInterface({ input: server.stdout }), 'line');
  return { server, ...JSON.parse(line) };
}

describe('an embedded database', () => {
  // In one test, since creating one takes seconds.
  it('is refused to a second process, taken over from a killed one, begun anew where filling was interrupted, and keeps its rows over a stop', async () => {
    const told: string[] = [];
    const first = await start((text) => told.push(text));
    const other = startEmbeddedDatabase({ dataDir, log: silentLog });
    await expect(other).rejects.toBeInstanceOf(UserError);
    await expect(other).rejects.toThrow(`${join(dataDir, 'timescale')} is in use by process ${process.pid}`);
    await expect(other).rejects.toThrow(`${first.pid}`);

    process.kill(first.pid, 'SIGKILL');
    await first.exited;
    expect(await readdir(dataDir)).toContain('timescale.lock');
    await writeFile(join(dataDir, 'timescale.filling'), '');
    await rm(join(dataDir, 'timescale', 'global'), { recursive: true });
    const second = await start((text) => told.push(text));
    expect(await readdir(dataDir)).not.toContain('timescale.filling');
    expect(second.url).toBe(first.url);

    const directory = postgresOptions(second.url).host ?? '';
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    const sql = client(second.url);
    await sql`CREATE TABLE kept (x int)`;
    await sql`INSERT INTO kept VALUES (1)`;
    await second.stop();
    expect(await second.exited).toEqual({ code: 0 });
    await expect(access(directory)).rejects.toMatchObject({ code: 'ENOENT' });
    const third = await start((text) => told.push(text));
    expect(await client(third.url)`SELECT x FROM kept`).toHaveLength(1);
    expect(told.map((text) => text.split(' ')[0])).toEqual(['opening', 'creating', 'opening']);
  });

  it('takes a lock whose pid belongs to another process by now, and a damaged one, for stale', async () => {
    const path = join(dataDir, 'x.lock');
    const take = () => takeLock(path, '', systemClock, () => {});
    const first = await take();
    const lock = await readFile(path, 'utf8');
    await expect(take()).rejects.toThrow(`in use by process ${process.pid}`);
    await first.release();
    for (const left of [JSON.stringify({ ...JSON.parse(lock), started: '1' }), '', '{"pid":', 'null']) {
      await writeFile(path, left);
      await (await take()).release();
    }
  });

  it('says that the directory cannot be made', async () => {
    const path = join(dataDir, 'file');
    await writeFile(path, '');
    const attempt = startEmbeddedDatabase({ dataDir: join(path, 'below'), log: silentLog });
    await expect(attempt).rejects.toBeInstanceOf(UserError);
    await expect(attempt).rejects.toThrow(/cannot be written/);
  });

  it.skipIf(process.getuid?.() === 0)('says that the directory cannot be written', async () => {
    await mkdir(join(dataDir, 'closed'));
    await chmod(join(dataDir, 'closed'), 0o500);
    await expect(startEmbeddedDatabase({ dataDir: join(dataDir, 'closed'), log: silentLog })).rejects.toThrow(
      /cannot be written/,
    );
  });
});

describe('a killed server', () => {
  it('loses no acknowledged row, and its successor waits until the database is closed', async () => {
    const { server, url, pid } = await startServer();
    const sql = client(url);
    await sql`CREATE TABLE acknowledged (x int)`;
    let last = 0;
    const writing = (async () => {
      for (let x = 1; ; x++) {
        await sql`INSERT INTO acknowledged VALUES (${x})`;
        last = x;
        if (x === 50) server.kill('SIGKILL');
      }
    })();
    await expect(writing).rejects.toThrow();
    const next = await start();
    expect(next.pid).not.toBe(pid);
    const [row] = await client(next.url)`SELECT count(*)::int AS n, max(x) AS max FROM acknowledged`;
    expect(last).toBeGreaterThanOrEqual(50);
    expect(row?.n).toBe(row?.max);
    expect(row?.max).toBeGreaterThanOrEqual(last);
  });

  it('and its database killed with it lose no acknowledged row either', async () => {
    const { server, url, pid } = await startServer();
    const sql = client(url);
    await sql`CREATE TABLE acknowledged (x int)`;
    let last = 0;
    const writing = (async () => {
      for (let x = 1; ; x++) {
        await sql`INSERT INTO acknowledged VALUES (${x})`;
        last = x;
        if (x === 50) process.kill(pid, 'SIGKILL');
      }
    })();
    await expect(writing).rejects.toThrow();
    server.kill('SIGKILL');
    const [row] = await client((await start()).url)`SELECT max(x) AS max FROM acknowledged`;
    expect(row?.max).toBeGreaterThanOrEqual(last);
  });
});
