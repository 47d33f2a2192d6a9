import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { RedisSubscriber } from '../../src/bus/redis/subscriber.js';
import { systemClock } from '../../src/kit/clock.js';
import { isRedisUrl, parseRedisUrl, redactRedisUrl } from '../../src/kit/redis.js';
import { TestMarket } from '../gateway/market.js';
import { RedisSentinelServers, RedisServer, type RedisServerOptions } from '../support/redis.js';
import { Lines, RedisBus, until } from './redis-bus.js';

const SYMBOL = 'BTCUSDT';

async function withServer(options: RedisServerOptions, run: (server: RedisServer) => Promise<void>): Promise<void> {
  const server = await RedisServer.start(options);
  try {
    await run(server);
  } finally {
    await server.stop();
  }
}

/** What starting on this URL says; null: it starts. */
async function startOn(url: string, prefix = ''): Promise<string | null> {
  const log = new Lines();
  const subscriber = new RedisSubscriber({ url, prefix, clock: systemClock, log });
  try {
    await subscriber.start();
    await subscriber.stop();
    return null;
  } catch (error) {
    expect((error as Error).name).toBe('UserError');
    expect(log.lines.join()).not.toMatch(/secret|hidden/);
    return (error as Error).message;
  }
}

/** One candle goes from the publisher to the subscriber. */
async function carries(url: string): Promise<void> {
  const market = new TestMarket(SYMBOL);
  const bus = await RedisBus.start(url, { windowOf: market.windowOf.bind(market) }, [SYMBOL]);
  try {
    await bus.subscribe(SYMBOL, '1m');
    bus.publisher.publish(market.close());
    await bus.settled();
    expect(bus.events).toHaveLength(1);
  } finally {
    await bus.stop();
  }
}

describe('URLs', () => {
  it.each([
    'redis://localhost',
    'redis://h:6380/3',
    'rediss://user:p%40ss@h.example:6380',
    'redis://:secret@[::1]:6379/0',
    'rediss://h/?ca=/etc/ca.pem',
    'redis-sentinel://a:26379,b:26379/main',
    'redis-cluster://a:1,b:2,c:3',
    'rediss-cluster://a',
  ])('%s is one', (url) => {
    expect(isRedisUrl(url)).toBe(true);
  });

  it.each([
    '',
    'localhost:6379',
    'http://h',
    'redis://',
    'redis://h:0',
    'redis://h:99999',
    'redis://a,b',
    'redis://h/x',
    'redis://user@h',
    'redis-sentinel://a:26379',
    'redis-cluster://a/1',
    'redis://h h',
    'redis://:%zz@h',
  ])('"%s" is none', (url) => {
    expect(isRedisUrl(url)).toBe(false);
  });

  it('are shown without their password', () => {
    expect(redactRedisUrl('redis://user:secret@h:6379/2')).toBe('redis://h:6379/2');
    expect(redactRedisUrl('redis-sentinel://:secret@a,b:1/main')).toBe('redis-sentinel://a:26379,b:1/main');
    expect(redactRedisUrl('redis://secret')).not.toContain('@');
    expect(parseRedisUrl('redis://u:p%40:x@h')).toMatchObject({ username: 'u', password: 'p@:x' });
  });
});

describe('start', () => {
  it('says what is wrong with where it should go', async () => {
    await withServer({}, async (server) => {
      expect(await startOn(server.url)).toBeNull();
      expect(await startOn(server.url.replace('redis:', 'redis-cluster:'))).toMatch(/not a cluster: use redis:/);
      expect(await startOn(server.url.replace('redis:', 'rediss:'))).toMatch(/no TLS/);
      server.freeze();
      expect(await startOn(server.url)).toMatch(/does not answer/);
      server.thaw();
      await server.kill();
      expect(await startOn(server.url)).toMatch(/nothing listens there: start Redis/);
    });
    expect(await startOn('redis://nowhere.invalid')).toMatch(/host name is not known/);
    expect(await startOn('tcp://x')).toMatch(/must be redis:/);
  });

  it('says what is wrong with who it is', async () => {
    const users = [
      'user default on >secret ~* &* +@all',
      'user app on >hidden ~a:* &a:* +@all -@admin -@dangerous +info',
      'user noscripts on >hidden ~* &* +@all -@scripting',
      'user nochannels on >hidden ~* resetchannels +@all',
    ];
    const acl = { files: { 'users.acl': users.join('\n') }, args: ['--aclfile', '{dir}/users.acl'] };
    await withServer(acl, async (server) => {
      const as = (login: string) => server.url.replace('//', `//${login}@`);
      expect(await startOn(server.url)).toMatch(/wants a password/);
      expect(await startOn(as(':hidden'))).toMatch(/password is wrong/);
      expect(await startOn(as(':secret'))).toBeNull();
      expect(await startOn(as('app:hidden'), 'a:')).toBeNull();
      for (const user of ['app', 'noscripts', 'nochannels'])
        expect(await startOn(as(`${user}:hidden`)), user).toMatch(/may not do what is needed: allow it in the ACL/);
    });
  });
});

describe('over TLS', () => {
  it('a certificate of the CA in the URL is trusted, another is not', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'candlecast-tls-'));
    const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
    try {
      const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
      const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
      execFileSync(
        'openssl',
        ['req', '-x509', '-nodes', '-days', '2', ...ec, '-keyout', key, '-out', cert, ...subject],
        {
          stdio: 'ignore',
        },
      );
      const files = { 'key.pem': await readFile(key, 'utf8'), 'cert.pem': await readFile(cert, 'utf8') };
      const tls = ['--tls-cert-file', '{dir}/cert.pem', '--tls-key-file', '{dir}/key.pem', '--tls-auth-clients', 'no'];
      const port = 10_000 + Math.floor(Math.random() * 20_000);
      await withServer({ files, args: [...tls, '--tls-port', String(port)] }, async () => {
        await carries(`rediss://127.0.0.1:${port}/?ca=${cert}`);
        expect(await startOn(`rediss://127.0.0.1:${port}`)).toMatch(/certificate is not trusted/);
        expect(await startOn(`redis://127.0.0.1:${port}`)).toMatch(/wants TLS/);
        expect(await startOn(`rediss://127.0.0.1:${port}/?ca=${dir}/none`)).toMatch(/cannot be read/);
      });
    } finally {
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    }
  });
});

describe('behind sentinels', () => {
  it('goes where the master is, and after it when another takes over', async () => {
    const servers = await RedisSentinelServers.start();
    const market = new TestMarket(SYMBOL);
    market.closeMany(9);
    const bus = await RedisBus.start(servers.url, { windowOf: market.windowOf.bind(market) }, [SYMBOL]);
    try {
      expect(await startOn(servers.url.replace('/main', '/other'))).toMatch(/none knows a master of this name/);
      await bus.subscribe(SYMBOL, '1m');
      await servers.master.kill();
      const [missed] = market.close();
      bus.publisher.publish(missed ? [missed] : []);
      await until(async () => {
        const channel = { symbol: SYMBOL, interval: '1m' as const };
        const [position] = await bus.subscriber.positions([channel]).catch(() => [null]);
        return bus.subscriber.up && position?.seq === missed?.seq;
      }, 60_000);
      const stored = await servers.replica.cli('HGET', `state:{ohlcv:${SYMBOL}:1m}`, 'seq');
      expect(Number(stored)).toBe(missed?.seq);
    } finally {
      await bus.stop();
      await servers.stop();
    }
  });
});
