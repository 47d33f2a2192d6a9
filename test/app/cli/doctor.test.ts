import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { databaseCheck } from '../../../src/app/doctor/databases.js';
import { examine, type Report } from '../../../src/app/doctor/examine.js';
import type { Finding } from '../../../src/app/doctor/finding.js';
import { identityChecks, secret } from '../../../src/app/doctor/identity.js';
import { KERNEL_SETTINGS, kernel, nodeVersion, openFiles } from '../../../src/app/doctor/machine.js';
import { placeChecks } from '../../../src/app/doctor/place.js';
import { memory, pubsubLimit, redisCheck } from '../../../src/app/doctor/redis.js';
import { judge } from '../../../src/app/doctor/skew.js';
import { systemClock } from '../../../src/kit/clock.js';
import { silentLog } from '../../../src/kit/log.js';
import { migrate } from '../../../src/store/migrate.js';
import { read } from '../../project/files.js';
import { realPostgres, type TestDatabase, TIMESCALE_MIGRATIONS, testDatabase } from '../../support/database.js';
import { RedisServer } from '../../support/redis.js';
import { type Environment, Program, restartablePort } from '../../support/server.js';
import { ended, Places } from '../support.js';

const places = new Places();
const undo: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const end of undo) await end();
  await places.clear();
});

const wrong = (findings: readonly Finding[]): string[] =>
  findings.filter(({ level }) => level !== 'ok').map(({ level, says }) => `${level}: ${says}`);

describe('Redis', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await RedisServer.start({ args: ['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru'] });
    undo.push(() => redis.stop());
  });
  const check = () => redisCheck(redis.url, '', systemClock, true).run();

  test('that would evict, and cuts subscribers off early; each finding says how to mend it, and the commands do', async () => {
    await redis.cli('CONFIG', 'SET', 'client-output-buffer-limit', 'pubsub 1mb 1mb 1');
    const before = await check();
    expect(wrong(before)).toEqual([
      expect.stringMatching(/^error: maxmemory-policy is allkeys-lru: /),
      expect.stringMatching(/^warning: client-output-buffer-limit of pubsub is 1048576 bytes/),
    ]);
    for (const { fix } of before) {
      const [, name = '', value = ''] = /CONFIG SET (\S+) "?([^",]+)/.exec(fix ?? '') ?? [];
      if (name !== '') await redis.cli('CONFIG', 'SET', name, value);
    }
    expect(wrong(await check())).toEqual([]);
  });

  test('that is frozen does not stop the doctor', async () => {
    redis.freeze();
    const report = await examine([redisCheck(redis.url, '', systemClock, true)], systemClock);
    redis.thaw();
    expect(report).toMatchObject({
      level: 'error',
      findings: [{ says: expect.stringMatching(/REDIS_URL redis:\/\/127/) }],
    });
  });

  test('its answers, read', () => {
    expect(wrong(memory('maxmemory:0\r\nused_memory:10\r\nmaxmemory_policy:noeviction\r\n'))).toEqual([
      expect.stringMatching(/maxmemory is not set/),
    ]);
    expect(wrong(memory('used_memory:90\r\nmaxmemory:100\r\nmaxmemory_policy:noeviction\r\n'))).toEqual([
      expect.stringMatching(/90 % full/),
    ]);
    expect(wrong(memory(''))).toEqual([expect.stringMatching(/not allowed/)]);
    expect(pubsubLimit('normal 0 0 0 pubsub 0 0 0').level).toBe('warning');
    expect(pubsubLimit('""').level).toBe('ok');
  });
});

describe('databases', () => {
  let database: TestDatabase;
  let plain: TestDatabase;
  beforeAll(async () => {
    [database, plain] = await Promise.all([testDatabase(), realPostgres()]);
    undo.push(
      () => database.stop(),
      () => plain.stop(),
    );
  });
  const check = (url: string) =>
    databaseCheck({ name: 'TIMESCALE_URL', url, sets: ['timescale'], closesMinutes: true }, systemClock).run();

  test('up to date, old, changed and newer than the program', async () => {
    expect(wrong(await check(database.url))).toEqual([]);
    const sql = database.connect({ max: 1 });
    await sql`DELETE FROM schema_migrations WHERE migration_set = 'timescale' AND version = (SELECT max(version) FROM schema_migrations)`;
    expect(wrong(await check(database.url))).toEqual([
      expect.stringMatching(/^warning: schema timescale: version \d+ of \d+: it is to be migrated/),
    ]);
    await migrate({ sql, directory: TIMESCALE_MIGRATIONS, log: silentLog });
    await sql`INSERT INTO schema_migrations (migration_set, version, name, checksum) VALUES ('timescale', 99, 'x', 'x')`;
    expect(wrong(await check(database.url))).toEqual([expect.stringMatching(/^error: .*newer than this program/)]);
    await sql`DELETE FROM schema_migrations WHERE version = 99`;
    await sql`UPDATE schema_migrations SET checksum = 'x' WHERE version = 1 AND migration_set = 'timescale'`;
    expect(wrong(await check(database.url))).toEqual([expect.stringMatching(/^error: .*made by other migrations/)]);
  });

  test('without TimescaleDB', async () => {
    expect(wrong(await check(plain.url))).toEqual([
      expect.stringMatching(/^error: this server has no TimescaleDB/),
      expect.stringMatching(/^warning: schema timescale: version 0/),
    ]);
  });

  test('that says nothing', async () => {
    const silent = createTcpServer(() => {}).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    expect(wrong(await check(`postgres://u:hunter2@127.0.0.1:${port}/x`))).toEqual([
      'error: TIMESCALE_URL does not answer within 3 s',
    ]);
    silent.close();
  });
});

describe('the place', () => {
  const place = (dataDir: string, more: object = {}) => ({
    dataDir,
    spoolMaxBytes: 1e6,
    host: '127.0.0.1',
    port: 0,
    ...more,
  });
  const run = (what: ReturnType<typeof place>): Promise<Report> => examine(placeChecks(what), systemClock);

  test('a disk that is all but full, and one smaller than the spool', async ({ skip }) => {
    const small = await places.mount('size=1m');
    if (small === null) return skip();
    expect(wrong((await run(place(small))).findings)).toEqual([
      expect.stringMatching(/^error: [01] MB are free for DATA_DIR .*: closed candles may not find room/),
    ]);
    await writeFile(join(small, 'all'), Buffer.alloc(2 ** 20)).catch(() => {});
    expect(wrong((await run(place(small))).findings)).toContainEqual(
      expect.stringMatching(/^error: DATA_DIR cannot be written: ENOSPC/),
    );
    expect(wrong((await run(place(await places.directory(), { spoolMaxBytes: 1e18 }))).findings)).toEqual([
      expect.stringMatching(/^warning: .* but the spool may take/),
    ]);
  });

  test('a port in use, by somebody and by a server of ours', async () => {
    const http = createServer((_, response) => response.end('{"hello":1}')).listen(0, '127.0.0.1');
    await once(http, 'listening');
    const { port } = http.address() as AddressInfo;
    const dataDir = await places.directory();
    expect(wrong((await run(place(dataDir, { port }))).findings)).toEqual([
      expect.stringMatching(new RegExp(`^error: Port ${port} on 127.0.0.1 is in use`)),
    ]);
    http.removeAllListeners('request').on('request', (_, response) => response.end('{"symbols":[]}'));
    expect(wrong((await run(place(dataDir, { port }))).findings)).toEqual([]);
    http.close();
  });
});

test('the machine: versions, limits, kernel settings as the documentation has them', async () => {
  expect([nodeVersion('20.14.0').level, nodeVersion('20.15.0').level, nodeVersion('22.0.0').level]).toEqual([
    'error',
    'ok',
    'ok',
  ]);
  expect(wrong(openFiles('Max open files            1024                 4096                 files'))).toEqual([
    expect.stringMatching(/only 1024 open files/),
  ]);
  expect(openFiles('Max open files  unlimited  unlimited  files')).toMatchObject([{ level: 'ok' }]);
  expect(openFiles(null)).toEqual([]);
  const bad: Record<string, string> = {
    '/proc/sys/net/core/somaxconn': '128\n',
    '/proc/sys/net/ipv4/tcp_wmem': '4096\t16384\t4194304\n',
  };
  const findings = await kernel(async (path) => bad[path] ?? null);
  expect(findings.map(({ fix }) => fix?.split(',')[0])).toEqual([
    'sysctl -w net.ipv4.tcp_wmem="4096 16384 524288"',
    'sysctl -w net.core.somaxconn="4096"',
  ]);
  const documented = read('docs/operations.md');
  expect(KERNEL_SETTINGS.filter(({ name }) => !documented.includes(name))).toEqual([]);
});

test('clocks and secrets', async () => {
  expect(judge('Redis', -3000, 10, true)).toMatchObject({
    level: 'error',
    says: expect.stringMatching(/3000 ms behind/),
  });
  expect(judge('Redis', 3000, 10, false).level).toBe('warning');
  expect(judge('Redis', 3000, 2900, true).level).toBe('ok');
  expect(secret('0'.repeat(40)).level).toBe('warning');
  expect(secret('short')).toMatchObject({ level: 'error', says: expect.not.stringContaining('short,') });
  expect(secret('pLhC2zWq8Xv7Rk1tYb5NsGm4DfJe9AuQ3Hio6Vc0').level).toBe('ok');
  const settings = {
    jwtSecret: null,
    identityProvider: { jwksUrl: `http://127.0.0.1:${await restartablePort()}/` },
    plans: '{',
    isGatewayOfMany: false,
  };
  const report = await examine(identityChecks(settings), systemClock);
  expect(wrong(report.findings)).toEqual([
    expect.stringMatching(/^error: JWKS_URL cannot be read: connect ECONNREFUSED/),
    expect.stringMatching(/^error: PLANS must be a JSON object/),
  ]);
});

test('a check that hangs or fails is a finding, and holds nobody up', async () => {
  const report = await examine(
    [
      { name: 'hangs', run: () => new Promise(() => {}) },
      { name: 'fails', run: () => Promise.reject(new Error('why')) },
      { name: 'fine', run: async () => [{ level: 'ok', says: 'fine', fix: null }] },
    ],
    systemClock,
    20,
  );
  expect(report.level).toBe('error');
  expect(report.findings.map(({ check, level, says }) => [check, level, says])).toEqual([
    ['hangs', 'error', 'no result within 0.02 s: something it waits for hangs'],
    ['fails', 'error', 'cannot be checked: why'],
    ['fine', 'ok', 'fine'],
  ]);
});

test('as a program: its exit code, all mistakes of the configuration, and JSON', async () => {
  const run = (env: Environment) => ended(['doctor'], { DATA_DIR: dataDir, ...env });
  const dataDir = await places.directory();
  const [invalid, typo, refused] = await Promise.all([
    run({ PORT: 'x', LOG_LEVEL: 'loud' }),
    run({ LOG_LEVLE: 'info', JWT_SECRET: 'a'.repeat(40) }),
    run({ REDIS_URL: 'redis://:hunter2@127.0.0.1:1', FEEDS: 'replay:/nowhere.csv?symbol=X' }),
  ]);
  expect(invalid.code).toBe(2);
  expect(invalid.said).toMatch(/error +configuration +PORT must be an integer/);
  expect(invalid.said).toMatch(/error +configuration +LOG_LEVEL must be one of/);
  expect(typo.code).toBe(1);
  expect(typo.said).toMatch(
    /warning +configuration +LOG_LEVLE is not a variable of Candlecast: did you mean LOG_LEVEL\?/,
  );
  expect(refused.code).toBe(2);
  expect(refused.said).toMatch(/error +REDIS_URL +.*nothing listens there/);
  expect(refused.said).toMatch(/error +configuration +cannot replay \/nowhere\.csv: there is no such file/);
  expect(refused.said).not.toContain('hunter2');
  const json = new Program(['doctor', '--json'], { DATA_DIR: dataDir, PORT: '0' });
  await json.exited();
  const report = JSON.parse(json.output) as Report;
  expect(report.findings.filter(({ check }) => check === 'packages').map(({ level }) => level)).not.toContain('error');
});
