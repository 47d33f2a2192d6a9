import { fc, test } from '@fast-check/vitest';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { RedisSubscriber } from '../../src/bus/redis/subscriber.js';
import { systemClock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import { TestMarket } from '../gateway/market.js';
import { RedisServer } from '../support/redis.js';
import { RedisBus, until } from './redis-bus.js';

const SYMBOL = 'BTCUSDT';
let server: RedisServer;
let runs = 0;
const buses: RedisBus[] = [];

beforeAll(async () => {
  server = await RedisServer.start();
});
afterEach(async () => {
  await Promise.all(buses.splice(0).map((bus) => bus.stop()));
  await server.cli('FLUSHALL');
});
afterAll(() => server?.stop());

function marketOf(epoch: number): TestMarket {
  const market = new TestMarket(SYMBOL);
  market.epoch = epoch;
  market.closeMany(9);
  return market;
}

async function busOf(market: TestMarket, prefix = ''): Promise<RedisBus> {
  const bus = await RedisBus.start(server.url, { prefix, windowOf: market.windowOf.bind(market) });
  buses.push(bus);
  return bus;
}

describe('what is stored', () => {
  it('is a JSON array of the latest closed candles at exactly ohlcv:{symbol}:{interval}, trimmed', async () => {
    const market = marketOf(7);
    const bus = await busOf(market);
    bus.publisher.own([SYMBOL]);
    await bus.publisher.flush();
    for (let i = 0; i < 320; i++) {
      bus.publisher.publish(market.close());
      if (i % 50 === 0) bus.publisher.publish(market.correct(3));
      if (i % 60 === 0) await bus.publisher.flush();
    }
    await bus.publisher.flush();
    for (const [interval, bound] of [
      ['1m', 120],
      ['5m', 60],
    ] as const) {
      const stored = JSON.parse(await server.cli('GET', `ohlcv:${SYMBOL}:${interval}`)) as Record<string, unknown>[];
      const expected = market.candles(interval).slice(-bound);
      expect(stored.map(({ t, o, c, v, n, r, seq }) => [t, o, c, v, n, r, seq])).toEqual(
        expected.map((c) => [c.openTime, c.open, c.close, c.volume, c.trades, c.revision, c.seq]),
      );
    }
  });

  test.prop(
    [
      fc.array(fc.constantFrom('close', 'correct', 'gap', 'update', 'flush', 'empty', 'forget scripts', 'reconnect'), {
        maxLength: 60,
      }),
    ],
    {
      numRuns: 15,
    },
  )('equals what was published, whatever happened on the way', async (steps) => {
    const market = marketOf(7);
    const bus = await busOf(market, `p${runs++}:`);
    bus.publisher.own([SYMBOL]);
    await bus.subscribe(SYMBOL, '1m');
    await bus.subscribe(SYMBOL, '5m');
    for (const step of steps) {
      if (step === 'close') bus.publisher.publish(market.close());
      else if (step === 'correct') bus.publisher.publish(market.correct(steps.length % 7));
      else if (step === 'gap') bus.publisher.publish(market.gap(2));
      else if (step === 'update') bus.publisher.publish(market.update());
      else if (step === 'empty') await server.cli('FLUSHALL');
      else if (step === 'forget scripts') await server.cli('SCRIPT', 'FLUSH');
      else if (step === 'flush') await bus.publisher.flush();
      else await server.cli('CLIENT', 'KILL', 'TYPE', 'normal');
    }
    bus.publisher.publish([...market.close(), ...market.update()]);
    for (const interval of ['1m', '5m'] as const) {
      const expected = await market.windowOf(SYMBOL, interval);
      await until(async () => {
        const [position] = await bus.subscriber.positions([{ symbol: SYMBOL, interval }]).catch(() => [null]);
        return position?.seq === expected?.seq;
      });
      const { closed = [], gaps } = (await bus.subscriber.window(SYMBOL, interval)) ?? {};
      // A candle that an outage cut short has the place of the event that closed it, after what was sent before.
      const placed = (expected?.closed ?? []).map((candle, i) => {
        const seq = closed[i]?.seq ?? 0;
        return seq > candle.seq && seq <= (expected?.seq ?? 0) ? { ...candle, seq } : candle;
      });
      expect({ closed, gaps }).toEqual({ closed: placed, gaps: expected?.gaps });
    }
    await bus.stop();
  });

  it('has no open candle of a time when somebody listened', async () => {
    const market = marketOf(7);
    const bus = await busOf(market);
    bus.publisher.own([SYMBOL]);
    await bus.subscribe(SYMBOL, '1m');
    const [update] = market.update();
    bus.publisher.publish(update ? [update] : []);
    await bus.settled();
    expect((await bus.subscriber.window(SYMBOL, '1m'))?.open).toEqual(market.open('1m'));
    bus.publisher.publish(market.close());
    await bus.settled();
    expect((await bus.subscriber.window(SYMBOL, '1m'))?.open).toBeNull();
    bus.publisher.publish(market.update());
    await bus.settled();
    bus.subscriber.unsubscribe(SYMBOL, '1m');
    await until(async () => (await bus.subscriber.window(SYMBOL, '1m'))?.open === null);
    expect(bus.publisher.wants(SYMBOL, '1m')).toBe(false);
  });

  it('comes with the open candle as soon as somebody listens', async () => {
    const market = marketOf(7);
    market.update();
    const bus = await busOf(market);
    bus.publisher.own([SYMBOL]);
    await bus.subscribe(SYMBOL, '1m');
    await until(() => bus.events.some(({ kind }) => kind === 'update'));
    expect(bus.events[0]).toMatchObject({ kind: 'update', candle: market.open('1m') });
  });

  it('is not yet there: a symbol with a status is on its way, one without is none', async () => {
    const bus = await busOf(marketOf(7));
    expect(await bus.subscriber.window(SYMBOL, '1m')).toBeNull();
    const status = { symbol: SYMBOL, source: 'demo', synthetic: true, since: 1, lastTradeTime: null };
    bus.publisher.publishStatus([{ ...status, state: 'starting' }]);
    await until(() => bus.subscriber.statuses().length === 1);
    await expect(bus.subscriber.window(SYMBOL, '1m')).rejects.toMatchObject({ name: 'HistoryUnavailable' });
    bus.publisher.publishStatus([{ ...status, state: 'ended' }]);
    await until(() => bus.subscriber.statuses()[0]?.state === 'ended');
    expect(await bus.subscriber.window(SYMBOL, '1m')).toBeNull();
  });
});

describe('a newer writer', () => {
  it('gets what the one before published', async () => {
    const old = marketOf(7);
    const first = await busOf(old);
    expect(await first.publisher.take(7, [SYMBOL])).toEqual([
      { symbol: SYMBOL, position: null, minutes: [], gaps: [] },
    ]);
    first.publisher.own([SYMBOL]);
    first.publisher.publish([...old.close(), ...old.gap(2), ...old.close()]);
    await first.publisher.flush();
    const second = await busOf(marketOf(8));
    const [taken] = await second.publisher.take(8, [SYMBOL]);
    const window = await old.windowOf(SYMBOL, '1m');
    expect(taken).toEqual({
      symbol: SYMBOL,
      position: { epoch: 7, seq: window?.seq },
      minutes: window?.closed,
      gaps: window?.gaps,
    });
    await expect(first.publisher.take(7, [SYMBOL])).rejects.toThrow(/newer epoch/);
  });

  it('gets nothing of a database that this one has replaced, and nobody reads that any more', async () => {
    const old = marketOf(7);
    const first = await busOf(old);
    await first.publisher.take(7, [SYMBOL]);
    first.publisher.own([SYMBOL]);
    first.publisher.publish(old.close());
    await first.publisher.flush();
    expect((await first.subscriber.window(SYMBOL, '1m'))?.closed).not.toEqual([]);
    const reader = new RedisSubscriber({
      url: server.url,
      prefix: '',
      clock: systemClock,
      log: silentLog,
      firstEpoch: 8,
    });
    await reader.start();
    expect(await reader.window(SYMBOL, '1m')).toBeNull();
    await reader.stop();
    const second = await busOf(marketOf(9));
    const nothing = [{ symbol: SYMBOL, position: null, minutes: [], gaps: [] }];
    expect(await second.publisher.take(9, [SYMBOL], 8)).toEqual(nothing);
    expect(await second.subscriber.window(SYMBOL, '1m').catch(() => null)).toBeNull();
    await expect(first.publisher.take(7, [SYMBOL])).rejects.toThrow(/newer epoch/);
  });

  test.prop([fc.array(fc.constantFrom('old closes', 'old updates', 'new closes', 'take', 'turn'), { maxLength: 40 })], {
    numRuns: 15,
  })('is the only one from the moment it takes over, at any interleaving', async (steps) => {
    const prefix = `f${runs++}:`;
    const [old, young] = [marketOf(7), marketOf(8)];
    const [a, b] = [await busOf(old, prefix), await busOf(young, prefix)];
    await a.publisher.take(7, [SYMBOL]);
    a.publisher.own([SYMBOL]);
    await b.subscribe(SYMBOL, '1m').catch(() => {});
    let taken = false;
    for (const step of steps) {
      if (step === 'old closes') a.publisher.publish(old.close());
      else if (step === 'old updates') a.publisher.publish(old.update());
      else if (step === 'new closes' && taken) b.publisher.publish(young.close());
      else if (step === 'turn') await new Promise((resolve) => setImmediate(resolve));
      else if (step === 'take' && !taken) {
        await b.publisher.take(8, [SYMBOL]);
        taken = true;
        await b.barrier();
        b.batches.length = 0;
        b.publisher.own([SYMBOL]);
      }
    }
    await a.publisher.flush();
    await b.settled();
    if (taken) {
      expect(b.events.filter(({ epoch }) => epoch < 8)).toEqual([]);
      const expected = await young.windowOf(SYMBOL, '1m');
      expect(await b.subscriber.window(SYMBOL, '1m')).toMatchObject({
        epoch: 8,
        seq: expected?.seq,
        closed: expected?.closed,
      });
      a.publisher.publish(old.close());
      await until(() => a.fenced.length > 0);
      expect(a.fenced).toEqual([[SYMBOL, 7]]);
      expect((await b.subscriber.window(SYMBOL, '1m'))?.epoch).toBe(8);
    }
    await Promise.all([a.stop(), b.stop()]);
  });

  it("'s statuses stay", async () => {
    const status = { symbol: SYMBOL, source: 'demo', synthetic: true, since: 1, lastTradeTime: null };
    const [a, b] = [await busOf(marketOf(7)), await busOf(marketOf(8))];
    for (const [bus, epoch] of [
      [a, 7],
      [b, 8],
    ] as const) {
      await bus.publisher.take(epoch, [SYMBOL]);
      bus.publisher.own([SYMBOL]);
      await bus.publisher.flush();
    }
    b.publisher.publishStatus([{ ...status, state: 'live' }]);
    await b.publisher.flush();
    a.publisher.publishStatus([{ ...status, state: 'ended' }]);
    await a.publisher.flush();
    await b.barrier();
    expect(b.subscriber.statuses()).toEqual([{ ...status, state: 'live' }]);
  });
});
