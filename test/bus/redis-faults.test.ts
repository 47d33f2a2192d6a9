import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ChannelKey } from '../../src/bus/bus.js';
import { TestMarket } from '../gateway/market.js';
import { RedisServer } from '../support/redis.js';
import { RedisBus, until } from './redis-bus.js';

const SYMBOL = 'BTCUSDT';
const MINUTES: ChannelKey = { symbol: SYMBOL, interval: '1m' };

let server: RedisServer;
const buses: RedisBus[] = [];

beforeAll(async () => {
  server = await RedisServer.start();
});
afterEach(async () => {
  server.thaw();
  await Promise.all(buses.splice(0).map((bus) => bus.stop()));
  await server.cli('FLUSHALL');
});
afterAll(() => server?.stop());

async function begin(prefix = ''): Promise<{ market: TestMarket; bus: RedisBus }> {
  const market = new TestMarket(SYMBOL);
  market.closeMany(9);
  const bus = await RedisBus.start(server.url, { prefix, windowOf: market.windowOf.bind(market) }, [SYMBOL]);
  buses.push(bus);
  await bus.subscribe(SYMBOL, '1m');
  return { market, bus };
}

/** What is in Redis becomes what was published. */
async function whole(bus: RedisBus, market: TestMarket): Promise<void> {
  const expected = await market.windowOf(SYMBOL, '1m');
  await until(async () => {
    if (!bus.subscriber.up) return false;
    const [position] = await bus.subscriber.positions([MINUTES]).catch(() => [null]);
    return position?.seq === expected?.seq;
  });
  const window = await bus.subscriber.window(SYMBOL, '1m');
  expect(window).toEqual({ ...expected, closed: expected?.closed.slice(-120), open: window?.open ?? null });
}

describe('Redis dies', () => {
  it('kill -9, and back empty: windows are there again, positions equal, and messages arrive', async () => {
    const { market, bus } = await begin();
    bus.publisher.publish(market.close());
    await server.kill();
    await until(() => !bus.subscriber.up);
    await expect(bus.subscriber.positions([MINUTES])).rejects.toMatchObject({ name: 'HistoryUnavailable' });
    await expect(bus.subscriber.subscribe(SYMBOL, '5m')).rejects.toMatchObject({ name: 'HistoryUnavailable' });
    for (let i = 0; i < 5; i++) bus.publisher.publish(market.close());
    await bus.publisher.flush();
    await server.restart();
    await whole(bus, market);
    bus.batches.length = 0;
    const [closed] = market.close();
    bus.publisher.publish(closed ? [closed] : []);
    await until(() => bus.events.some((event) => event.kind === 'closed' && event.seq === closed?.seq));
    // One line of each of the four connections, one of what that means.
    expect(bus.log.count(/Redis is away/)).toBeLessThanOrEqual(5);
  });

  it('many are missed: whoever follows learns of it by a position or an event that does not join', async () => {
    const { market, bus } = await begin();
    await server.kill();
    await until(() => !bus.subscriber.up);
    for (let i = 0; i < 200; i++) bus.publisher.publish(market.close());
    await server.restart();
    await whole(bus, market);
  });

  it('frozen: it is noticed, and all is well when it goes on', async () => {
    const { market, bus } = await begin();
    server.freeze();
    bus.publisher.publish(market.close());
    await until(() => !bus.subscriber.up && !bus.publisher.up);
    bus.publisher.publish(market.close());
    server.thaw();
    await whole(bus, market);
    expect(bus.subscriber.up).toBe(true);
  });

  it('its subscribers are cut again and again: each time it is up again, and hears', async () => {
    const { market, bus } = await begin();
    const client = server.client();
    for (let i = 0; i < 20; i++) {
      const ups = bus.ups.length;
      await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      await until(() => bus.ups.length >= ups + 2 && bus.subscriber.up);
      const events = market.close();
      bus.publisher.publish(events);
      await until(() => bus.events.some(({ seq }) => seq === events[0]?.seq));
    }
    client.disconnect();
    expect(bus.ups.every((up, i) => up === (i % 2 === 0))).toBe(true);
  });

  it('is emptied while connected: it is whole again by itself', async () => {
    const { market, bus } = await begin();
    await server.cli('FLUSHALL');
    bus.publisher.publish(market.close());
    await whole(bus, market);
    await server.cli('FLUSHALL');
    await whole(bus, market);
  });

  it('forgets its scripts: nothing is missing, nothing comes twice', async () => {
    const { market, bus } = await begin();
    const sent: number[] = [];
    for (let i = 0; i < 5; i++) {
      await server.cli('SCRIPT', 'FLUSH');
      const events = market.close().filter(({ interval }) => interval === '1m');
      sent.push(...events.map(({ seq }) => seq));
      bus.publisher.publish(events);
      await until(() => bus.events.some(({ seq }) => seq === sent.at(-1)));
    }
    expect(bus.events.filter(({ kind }) => kind === 'closed').map(({ seq }) => seq)).toEqual(sent);
  });
});

describe('Redis refuses', () => {
  it('is full: what is not stored is not published; it is told once, and over when there is room', async () => {
    const { market, bus } = await begin();
    const before = await bus.subscriber.positions([MINUTES]);
    bus.batches.length = 0;
    await server.cli('CONFIG', 'SET', 'maxmemory', '1');
    for (let i = 0; i < 3; i++) bus.publisher.publish([...market.close(), ...market.update()]);
    await until(() => bus.publisher.stats.failures.memory > 10);
    await bus.barrier();
    expect(bus.events).toEqual([]);
    expect(await bus.subscriber.positions([MINUTES])).toEqual(before);
    await until(() => !bus.publisher.up && !bus.subscriber.up);
    expect(await bus.subscriber.window(SYMBOL, '1m')).not.toBeNull();
    await server.cli('CONFIG', 'SET', 'maxmemory', '0');
    await whole(bus, market);
    await until(() => bus.publisher.up && bus.subscriber.up);
    await bus.settled();
    const closed = bus.events.filter(({ kind }) => kind === 'closed').map(({ seq }) => seq);
    expect(closed).toEqual(
      market
        .candles('1m')
        .slice(-3)
        .map(({ seq }) => seq),
    );
    expect([bus.log.count(/Redis is full/), bus.log.count(/takes candles again/)]).toEqual([1, 1]);
  });

  it('loses the permission while running: survived, told, and over by itself', async () => {
    const { market, bus } = await begin();
    await server.cli('ACL', 'SETUSER', 'default', '-publish');
    bus.publisher.publish(market.close());
    await until(() => bus.publisher.stats.failures.denied > 0);
    expect(bus.log.count(/ACL/)).toBe(1);
    await server.cli('ACL', 'SETUSER', 'default', '+publish');
    await whole(bus, market);
  });
});

describe('others on the same Redis', () => {
  it('two prefixes do not hear each other', async () => {
    const a = await begin('a:');
    const b = await begin('b:');
    a.bus.batches.length = 0;
    const [event] = b.market.close();
    b.bus.publisher.publish(event ? [event] : []);
    await b.bus.settled();
    await a.bus.settled();
    expect([a.bus.events.length, b.bus.events.length]).toEqual([0, 1]);
    const keys = (await server.cli('KEYS', '*')).split('\n');
    expect(keys.every((key) => key.startsWith('a:') || key.startsWith('b:'))).toBe(true);
  });

  it('two databases of one Redis do not hear each other', async () => {
    const { market, bus } = await begin();
    const windowOf = market.windowOf.bind(market);
    const other = await RedisBus.start(`${server.url}/1`, { windowOf }, [SYMBOL]);
    buses.push(other);
    await other.subscribe(SYMBOL, '1m');
    bus.publisher.publish(market.close());
    await bus.settled();
    await other.settled();
    expect([bus.events.length, other.events.length]).toEqual([1, 0]);
  });

  it('foreign messages are counted, told now and then, and not delivered; ours go on', async () => {
    const { market, bus } = await begin();
    const live = `live:{ohlcv:${SYMBOL}:1m}`;
    for (const text of ['hello', '{}', '{"type":"candle"}\n[]', '', '\n', '[]\n[]', 'x'.repeat(100_000)])
      await server.cli('PUBLISH', live, text);
    await server.cli('PUBLISH', 'live:{status}', '[{"symbol":1}]');
    await server.cli('PUBLISH', 'demand', 'what do you want?');
    bus.publisher.publish(market.close());
    await bus.settled();
    expect(bus.events).toHaveLength(1);
    expect(bus.subscriber.stats.foreign).toBe(8);
    expect(bus.log.count(/somebody else uses our names/)).toBe(1);
  });

  it('a foreign value in the place of a window is no answer', async () => {
    const { bus } = await begin();
    await server.cli('SET', `ohlcv:${SYMBOL}:1m`, '[{"open":1}]');
    await expect(bus.subscriber.window(SYMBOL, '1m')).rejects.toMatchObject({ name: 'HistoryUnavailable' });
  });
});
