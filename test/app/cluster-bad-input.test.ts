import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { postgresOptions } from '../../src/store/embedded/start.js';
import { FaultProxy } from '../faults/kit/proxy.js';
import { testDataDir } from '../support/database.js';
import { TRADES_FILE } from '../support/oracle.js';
import { RedisServer } from '../support/redis.js';
import { DatabaseServer, type Environment, Server } from '../support/server.js';
import { here } from './here.js';
import { ended, eventually, get, logged, metric, Places } from './support.js';

/** What operators get wrong about Redis, at the boundary of the program. */

/** A day of trades in 24 s: candles change and close all the time. */
const FEEDS = `replay:${TRADES_FILE}?speed=3600&symbol=XRPETH`;

const places = new Places();
let redis: RedisServer;
let database: DatabaseServer;
let common: Environment;

beforeAll(async () => {
  redis = await RedisServer.start();
  database = await startDatabase();
  common = { DATABASE_URL: database.url, REDIS_URL: redis.url, FEEDS, HOST: '127.0.0.1' };
});
afterAll(async () => {
  await database.stop();
  await redis.stop();
  await places.clear();
});

async function startDatabase(): Promise<DatabaseServer> {
  const directory = await testDataDir();
  places.keep(directory);
  return DatabaseServer.start(directory);
}

/** `run`: where processes are not what is tested, in this one. */
async function refused(env: Environment, run = here): Promise<string> {
  const { code, said } = await run([], { ...common, DATA_DIR: await places.directory(), ...env });
  expect(said).not.toContain('    at ');
  expect(code).toBe(2);
  return said;
}

describe.each(['ingest', 'gateway'])('a node with ROLES=%s', (ROLES) => {
  it('names a Redis that is not there, without its password', async () => {
    const said = await refused({ ROLES, REDIS_URL: 'redis://user:hunter2@127.0.0.1:9' }, ended);
    expect(said).toMatch(/REDIS_URL.*127\.0\.0\.1:9/s);
    expect(said).toMatch(/nothing listens|refused/i);
    expect(said).not.toContain('hunter2');
  });

  it('names something that is not Redis', async () => {
    const http = createServer().listen(0, '127.0.0.1');
    await once(http, 'listening');
    const said = await refused({ ROLES, REDIS_URL: `redis://127.0.0.1:${(http.address() as AddressInfo).port}` });
    http.close();
    expect(said).toMatch(/REDIS_URL.*(no|not) Redis/s);
  });

  it('names a Redis that is too old, with the version it needs', async () => {
    const proxy = await FaultProxy.to({ port: redis.port });
    proxy.replace('redis_version:7.0.', 'redis_version:5.0.');
    const said = await refused({ ROLES, REDIS_URL: `redis://127.0.0.1:${proxy.port}` });
    await proxy.stop();
    expect(said).toMatch(/5\.0\.\d+.*6\.2/s);
  });

  it('names what the user of Redis may not do', async () => {
    await redis.cli('ACL', 'SETUSER', 'reader', 'on', '>secret', '~*', '&*', '+@read', '+info', '+ping');
    const said = await refused({ ROLES, REDIS_URL: `redis://reader:secret@127.0.0.1:${redis.port}` });
    expect(said).toMatch(/REDIS_URL.*ACL/s);
    expect(said).not.toContain('secret');
  });

  it('names a wrong password', async () => {
    const said = await refused({ ROLES, REDIS_URL: `redis://reader:wrong@127.0.0.1:${redis.port}` });
    expect(said).toMatch(/REDIS_URL.*(user|password)/is);
  });
});

describe('a cluster', () => {
  it('takes no symbols with a clock that is an hour off, and says so', async () => {
    const shift = encodeURIComponent('const { now } = Date; Date.now = () => now() + 3_600_000;');
    const node = await Server.start({
      ...common,
      ROLES: 'ingest',
      DATA_DIR: await places.directory(),
      REDIS_PREFIX: 'skew:',
      NODE_OPTIONS: `--import=data:text/javascript,${shift}`,
    });
    const { body } = await eventually(
      () => get<{ reasons?: string[] }>(node, '/readyz'),
      ({ status }) => status === 503,
    );
    expect(body.reasons?.join()).toMatch(/clock/);
    expect(await metric(node, 'partitions_owned')).toBe(0);
    expect(await metric(node, 'clock_skew_seconds')).toBeGreaterThan(3590);
    expect(logged(node).filter(({ level, msg }) => level === 50 && /clock/.test(String(msg)))).toHaveLength(1);
    expect(await node.stop()).toBe(0);
  });

  describe('that runs', () => {
    let ingest: Server;
    let gateway: Server;
    beforeAll(async () => {
      const own = { ...common, REDIS_PREFIX: 'a:' };
      ingest = await Server.start({ ...own, ROLES: 'ingest', DATA_DIR: await places.directory() });
      gateway = await Server.start({ ...own, ROLES: 'gateway', DATA_DIR: await places.directory() });
    });
    afterAll(async () => {
      await gateway?.stop();
      await ingest?.stop();
    });

    it('does not share a prefix with one of another database', async () => {
      const other = await startDatabase();
      const sql = postgres(other.url, { ...postgresOptions(other.url), max: 1 });
      // What tells databases apart: this one was created a second later.
      await sql`UPDATE writer_epochs SET epoch = epoch + 1, first_epoch = first_epoch + 1`;
      await sql.end();
      const own = { ROLES: 'gateway', DATABASE_URL: other.url };
      expect(await refused({ ...own, REDIS_PREFIX: 'a:' })).toContain('REDIS_PREFIX');
      const DATA_DIR = await places.directory();
      const apart = await Server.start({ ...common, ...own, DATA_DIR, REDIS_PREFIX: 'b:' });
      expect(await apart.stop()).toBe(0);
      await other.stop();
    });

    it('survives foreign messages on its channels, and counts them', async () => {
      await eventually(
        () => get<{ symbols: { symbol: string; state: string }[] }>(gateway, '/v1/symbols'),
        ({ body }) => body.symbols.some(({ symbol, state }) => symbol === 'XRPETH' && state === 'live'),
        60_000,
      );
      const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/v1/stream`);
      const seen: string[] = [];
      socket.onmessage = ({ data }) => seen.push(String(data));
      socket.onopen = () => socket.send('{"op":"subscribe","channels":["candles:XRPETH:1m"]}');
      await eventually(
        () => seen.filter((text) => text.startsWith('{"type":"candle"')).length,
        (count) => count > 0,
      );
      const channels = (await redis.cli('PUBSUB', 'CHANNELS', 'a:*')).split('\n');
      expect(channels.length).toBeGreaterThan(1);
      const rubbish = ['', 'hello', '{"type":"candle"}', '[]', '{"type":"candle","channel":"candles:XRPETH:1m"}\n[1]'];
      for (const channel of channels) for (const text of rubbish) await redis.cli('PUBLISH', channel, text);
      await eventually(
        () => metric(gateway, 'bus_foreign_messages_total'),
        (count) => count >= rubbish.length,
      );
      const before = seen.length;
      await eventually(
        () => seen.length,
        (count) => count > before,
      );
      expect(seen.filter((text) => !/^\{"type":"(welcome|subscribed|candle|heartbeat)"/.test(text))).toEqual([]);
      socket.close();
      expect([await gateway.stop(), await ingest.stop()]).toEqual([0, 0]);
    });
  });
});
