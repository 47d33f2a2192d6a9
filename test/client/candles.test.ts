import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { Client, type ConnectionState, type Cursor } from '../../src/client/index.js';
import { toWireCandle } from '../../src/wire/messages.js';
import { Harness, TRANSPORTS } from '../gateway/harness.js';
import { TestMarket } from '../gateway/market.js';
import { Collector } from './collector.js';

const QUICK = { heartbeatMs: 60, sweepMs: 10, lingerMs: 50, watchMs: 20 };

let clients: Client[] = [];
let harness: Harness;

afterEach(async () => {
  for (const client of clients) client.close();
  clients = [];
  await harness.stop();
});

async function start(market: TestMarket, transport: (typeof TRANSPORTS)[number] = 'uws', limits = {}): Promise<Client> {
  harness = await Harness.start(market, transport, { ...QUICK, ...limits });
  return connect();
}

function connect(): Client {
  const client = new Client({ url: `http://127.0.0.1:${harness.port}`, reconnect: { baseMs: 20, capMs: 100 } });
  clients.push(client);
  return client;
}

function marketOf(candles: number): TestMarket {
  const market = new TestMarket('BTCUSDT');
  market.closeMany(candles);
  return market;
}

const truth = (market: TestMarket, interval: '1m' | '5m' = '1m') => market.candles(interval).map(toWireCandle);

describe.each(TRANSPORTS)('candles on %s', (transport) => {
  it('are history, then live, without a seam; the open one, corrections and gaps among them', async () => {
    const market = marketOf(200);
    const client = await start(market, transport);
    const got = new Collector(client.candles('BTCUSDT', '1m', { history: 50 }));
    await got.until(() => got.closed.size === 50);
    expect(got.candles).toEqual(truth(market).slice(-50));
    harness.bus.publish(market.update());
    harness.bus.publish(market.close());
    harness.bus.publish(market.correct(3));
    harness.bus.publish(market.gap(2));
    harness.bus.publish(market.close());
    harness.bus.publish(market.update());
    await got.until(() => got.open?.t === market.now);
    expect(got.candles).toEqual(truth(market).slice(-52));
    expect(got.gaps).toHaveLength(1);
    expect(got.items.slice(50).map((item) => (item.type === 'candle' ? [item.x, item.correction] : item.type))).toEqual(
      [[false, false], [true, false], [true, true], 'gap', [true, false], [false, false]],
    );
  });

  it('closedOnly: no open one', async () => {
    const market = marketOf(10);
    const client = await start(market, transport);
    const got = new Collector(client.candles('BTCUSDT', '1m', { history: 5, closedOnly: true }));
    await got.until(() => got.closed.size === 5);
    harness.bus.publish(market.update());
    harness.bus.publish(market.close());
    await got.until(() => got.closed.size === 6);
    expect(got.open).toBeNull();
    expect(got.candles).toEqual(truth(market).slice(-6));
  });
});

it('history 0 is what comes from now on', async () => {
  const market = marketOf(100);
  const client = await start(market);
  const states: ConnectionState['kind'][] = [];
  client.onState(({ kind }) => states.push(kind));
  const got = new Collector(client.candles('BTCUSDT', '1m', { closedOnly: true }));
  await subscribers(1);
  harness.bus.publish(market.close());
  harness.bus.publish(market.correct(5));
  await got.until(() => got.items.length === 2);
  expect(got.items.map((item) => item.type === 'candle' && item.correction)).toEqual([false, true]);
  expect(states).toEqual(['connecting', 'live']);
});

/** Subscriptions of connections, as the gateway counts them. */
async function subscribers(count: number): Promise<void> {
  while (harness.gateway.stats.subscriptions !== count) await new Promise((resolve) => setImmediate(resolve));
}

describe('several readers of a channel', () => {
  it('share it, each with the history it asked for, and each gets everything once', async () => {
    const market = marketOf(300);
    const client = await start(market);
    const first = new Collector(client.candles('BTCUSDT', '1m', { history: 3 }));
    await first.until(() => first.closed.size === 3);
    const second = new Collector(client.candles('BTCUSDT', '1m', { history: 250 }));
    // While the second joins.
    harness.bus.publish(market.correct(2));
    harness.bus.publish(market.close());
    harness.bus.publish(market.correct(30));
    await second.until(() => second.closed.size >= 250);
    const { cursor } = second.items[100] ?? {};
    const third = new Collector();
    client.onCandles('BTCUSDT', '1m', { from: cursor ?? null }, third.take);
    harness.bus.publish(market.correct(4));
    harness.bus.publish(market.close());
    for (const one of [first, second, third]) await one.until(() => one.closed.has(market.now - 60_000));
    expect(first.candles.filter(({ t }) => t >= (first.items[0] as { t: number }).t)).toEqual(truth(market).slice(-5));
    expect(second.candles).toEqual(truth(market).slice(-second.closed.size));
    const later = (second.items[100] as { t: number }).t;
    expect(third.candles.filter(({ t }) => t > later)).toEqual(truth(market).filter(({ t }) => t > later));
    expect(harness.gateway.stats.subscriptions).toBe(1);
  });
});

describe('a program that stops after any item and goes on from its cursor', () => {
  const KINDS = ['close', 'close', 'correct', 'correct', 'correct', 'gap'] as const;
  const life = fc.record({
    items: fc.integer({ min: 1, max: 30 }),
    meanwhile: fc.array(fc.record({ what: fc.constantFrom(...KINDS), n: fc.nat(50) }), { maxLength: 25 }),
  });

  it('deals with every candle and every correction once, gaps at least once', async () => {
    const market = marketOf(150);
    await start(market);
    await fc.assert(
      fc.asyncProperty(fc.array(life, { minLength: 3, maxLength: 12 }), fc.nat(80), async (lives, history) => {
        const client = connect();
        const all = new Collector();
        let from: Cursor | null = null;
        const live = async (most: number): Promise<void> => {
          const last = market.close();
          harness.bus.publish(last);
          let count = 0;
          for await (const item of client.candles('BTCUSDT', '1m', { history: history + 1, from })) {
            all.take([item]);
            from = JSON.parse(JSON.stringify(item.cursor)) as Cursor;
            if (++count >= most || (item.type === 'candle' && item.t === market.now - 60_000)) return;
          }
        };
        for (const { items, meanwhile } of lives) {
          await live(items);
          for (const { what, n } of meanwhile) {
            if (what === 'close') harness.bus.publish(market.close());
            else harness.bus.publish(what === 'gap' ? market.gap(1 + (n % 3)) : market.correct(n));
          }
        }
        await live(Number.POSITIVE_INFINITY);
        const begin = (all.items.find((item) => item.type === 'candle') as { t: number }).t;
        expect(all.candles.filter(({ t }) => t >= begin)).toEqual(truth(market).filter(({ t }) => t >= begin));
        expect(all.resets).toBe(0);
        client.close();
      }),
      { numRuns: 15, endOnFailure: true },
    );
  }, 60_000);
});
