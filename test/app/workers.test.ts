import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { TestClient } from '../gateway/client.js';
import { testDataDir } from '../support/database.js';
import { RedisServer } from '../support/redis.js';
import { DatabaseServer, type Environment, restartablePort, Server } from '../support/server.js';
import { ended, eventually, get, logged, Places } from './support.js';

const WORKERS = 3;
const CLIENTS = 60;
const places = new Places();
let redis: RedisServer;
let database: DatabaseServer;
let env: Environment;

beforeAll(async () => {
  const directory = await testDataDir();
  places.keep(directory);
  database = await DatabaseServer.start(directory);
  redis = await RedisServer.start();
  env = {
    ROLES: 'gateway',
    WORKERS: String(WORKERS),
    REDIS_URL: redis.url,
    DATABASE_URL: database.url,
    DATA_DIR: await places.directory(),
  };
});
afterAll(async () => {
  await database?.stop();
  await redis?.stop();
  await places.clear();
});

/** The metrics page by sample: `name{labels}` to value. */
type Page = ReadonlyMap<string, number>;

async function page(server: Server): Promise<Page> {
  const { body } = await get<string>(server, '/metrics', { headers: { connection: 'close' } });
  const lines = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]));
}

/** From whichever worker answers. */
function anyPage(server: Server): Promise<Page> {
  return Promise.any(Array.from({ length: 16 }, () => page(server)));
}

/** Process ids of the workers, by number; of one started again, the latest. */
function pids(server: Server): Map<number, number> {
  const ready = logged(server).filter(({ msg }) => msg === 'worker is ready');
  return new Map(ready.map(({ worker, workerPid }) => [Number(worker), Number(workerPid)]));
}

function pidOf(server: Server, worker: number): number {
  const pid = pids(server).get(worker);
  if (pid === undefined) throw new Error(`no worker ${worker} is ready`);
  return pid;
}

function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function connectAll(server: Server): Promise<TestClient[]> {
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => TestClient.connect(server.port)));
  await Promise.all(clients.map((client) => client.type('welcome')));
  return clients;
}

async function allUp(server: Server, workers = WORKERS): Promise<Page> {
  return eventually(
    () => page(server),
    (metrics) => metrics.get('candlecast_workers') === workers,
  );
}

const count = (text: string, part: string): number => text.split(part).length - 1;

describe.each([
  ['uws', 'SIGTERM'],
  ['node', 'SIGINT'],
] as const)('several workers on one port, with the transport %s', (TRANSPORT, signal) => {
  let server: Server;
  let clients: TestClient[];

  beforeAll(async () => {
    server = await Server.start({ ...env, TRANSPORT });
    clients = await connectAll(server);
  });
  afterAll(async () => {
    for (const client of clients ?? []) client.socket.terminate();
    server?.child.kill('SIGTERM');
    await server?.exited();
  });

  it('is ready once, when all of them are', () => {
    expect(count(server.output, 'Candlecast is ready')).toBe(1);
    expect(new Set(pids(server).values()).size).toBe(WORKERS);
    expect(pids(server).has(server.child.pid ?? 0)).toBe(false);
  });

  it('any of them answers the metrics of all', async () => {
    const asked = await Promise.all(Array.from({ length: 8 }, () => page(server)));
    for (const metrics of asked) {
      expect(metrics.get('candlecast_workers')).toBe(WORKERS);
      expect(metrics.get('candlecast_connections')).toBe(CLIENTS);
      expect(metrics.get('candlecast_connections_total')).toBe(CLIENTS);
      for (const worker of ['1', '2', '3', 'primary']) {
        expect(metrics.get(`process_resident_memory_bytes{worker="${worker}"}`)).toBeGreaterThan(0);
        expect(metrics.get(`process_start_time_seconds{worker="${worker}"}`)).toBeGreaterThan(0);
      }
    }
  });

  it('kill -9 of one: the others serve on, it comes back, and no counter falls', async () => {
    const pid = pidOf(server, 2);
    const before = await page(server);
    process.kill(pid, 'SIGKILL');
    await server.printed(/a worker has ended; it is started again/);
    await eventually(
      () => pids(server),
      (now) => now.get(2) !== pid,
    );
    const lost = clients.filter(({ closeCode }) => closeCode !== null);
    expect(lost.map(({ closeCode }) => closeCode)).toEqual(lost.map(() => 1006));
    expect(lost.length).toBeGreaterThan(0);
    expect(lost.length).toBeLessThan(CLIENTS);
    const left = clients.filter((client) => !lost.includes(client));
    await Promise.all(left.map((client) => client.sync()));

    const after = await allUp(server);
    expect(after.get('candlecast_connections')).toBe(left.length);
    expect(after.get('candlecast_connections_total')).toBe(CLIENTS);
    expect(after.get('candlecast_worker_restarts_total{worker="2"}')).toBe(1);
    for (const [name, value] of before) {
      if (name.startsWith('candlecast_') && name.includes('_total'))
        expect(after.get(name), name).toBeGreaterThanOrEqual(value);
    }
    const log = logged(server).find(({ msg }) => String(msg).startsWith('a worker has ended'));
    expect(log).toMatchObject({ level: 50, worker: 2, signal: 'SIGKILL' });
    clients = [...left, ...(await connectAll(server))];
  });

  it('one that does not answer is left out and named, and what it counted stays', async () => {
    const before = await allUp(server);
    const pid = pidOf(server, 3);
    process.kill(pid, 'SIGSTOP');
    try {
      const without = await anyPage(server);
      expect(without.get('candlecast_workers')).toBe(WORKERS - 1);
      expect(without.get('candlecast_worker_up{worker="3"}')).toBe(0);
      expect(without.get('candlecast_worker_up{worker="1"}')).toBe(1);
      expect(without.get('candlecast_connections')).toBeLessThan(before.get('candlecast_connections') ?? 0);
      expect(without.get('candlecast_connections_total')).toBe(before.get('candlecast_connections_total'));
      expect(without.has('process_resident_memory_bytes{worker="3"}')).toBe(false);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    const again = await allUp(server);
    expect(again.get('candlecast_connections')).toBe(before.get('candlecast_connections'));
  });

  it(`${signal}: all clients are told to come back, every worker ends, and it exits 0`, async () => {
    const workers = [...pids(server).values()];
    expect(await server.stop(signal)).toBe(0);
    expect(await Promise.all(clients.map((client) => client.closed()))).toEqual(clients.map(() => 1001));
    expect(workers.filter(exists)).toEqual([]);
    expect(count(server.output, '"level":50')).toBe(1);
  });
});

describe('the primary', () => {
  const two = () => ({ ...env, WORKERS: '2' });
  let server: Server | null = null;
  afterEach(async () => {
    server?.child.kill('SIGTERM');
    await server?.exited();
    server = null;
  });

  /** Its workers tell their clients to come back, and end. */
  async function killed(primary: Server): Promise<void> {
    const clients = await connectAll(primary);
    primary.child.kill('SIGKILL');
    expect(await Promise.all(clients.map((client) => client.closed()))).toEqual(clients.map(() => 1001));
    // Its output is at its end when the last worker, which has it too, has ended.
    expect(await primary.exited()).toBe(null);
  }

  it('is named in the way of another on its port; killed, it takes its workers along, and starts again there at once', async () => {
    const PORT = String(await restartablePort());
    server = await Server.start({ ...two(), PORT, TRANSPORT: 'uws' });
    const second = await ended(['start'], { ...two(), PORT });
    expect(second).toEqual({
      code: 2,
      said: `candlecast: Port ${PORT} on 127.0.0.1 is in use. Stop the program that has it, or choose another with PORT.\n`,
    });
    await killed(server);
    server = await Server.start({ ...two(), PORT, TRANSPORT: 'node' });
    expect(server.port).toBe(Number(PORT));
    await killed(server);
  });

  it('tries a worker that cannot start again until it can; one that hangs is killed at the deadline, and the exit code says so', async () => {
    const own = await RedisServer.start();
    server = await Server.start({ ...two(), REDIS_URL: own.url });
    await own.kill();
    process.kill(pidOf(server, 1), 'SIGKILL');
    const [line] = await server.printed(/.*"reason":.*\}\n/);
    expect(JSON.parse(line)).toMatchObject({ level: 50, worker: 1, code: 2, reason: expect.stringContaining(own.url) });
    expect((await get(server, '/healthz')).status).toBe(200);
    await own.restart();
    const metrics = await allUp(server, 2);
    expect(metrics.get('candlecast_worker_restarts_total{worker="1"}')).toBeGreaterThan(1);
    process.kill(pidOf(server, 2), 'SIGSTOP');
    expect(await server.stop('SIGTERM')).toBe(1);
    expect([...pids(server).values()].filter(exists)).toEqual([]);
    await own.stop();
  });

  it('says a mistake once, for all workers', async () => {
    const nowhere = `postgres://nobody@127.0.0.1:${await restartablePort()}/nothing`;
    const { code, said } = await ended(['start'], { ...two(), DATABASE_URL: nowhere });
    expect(code).toBe(2);
    expect(count(said, 'candlecast: ')).toBe(1);
    expect(said).not.toMatch(/^ {4}at /m);
  });
});
