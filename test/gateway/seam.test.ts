import { setImmediate as immediate, setTimeout as later } from 'node:timers/promises';
import { fc, test } from '@fast-check/vitest';
import { afterEach, describe, expect } from 'vitest';
import type { Interval } from '../../src/market/interval.js';
import { Follower } from './follower.js';
import { Harness, TRANSPORTS } from './harness.js';
import { TestMarket } from './market.js';

const STEPS = ['close', 'close', 'update', 'correct', 'gap', 'subscribe', 'subscribe', 'yield', 'wait'] as const;
const CHANNELS: readonly [Interval, string][] = [
  ['1m', 'candles:BTCUSDT:1m'],
  ['1m', 'candles:BTCUSDT:1m:closed'],
  ['5m', 'candles:BTCUSDT:5m'],
  ['5m', 'candles:BTCUSDT:5m:closed'],
];

const script = fc.array(fc.record({ step: fc.constantFrom(...STEPS), n: fc.nat(200) }), {
  minLength: 10,
  maxLength: 60,
});

describe.each(TRANSPORTS)('snapshot, then live, on %s', (transport) => {
  let harness: Harness | null = null;
  afterEach(async () => {
    await harness?.stop();
    harness = null;
  });

  test.prop([script, fc.integer({ min: 0, max: 700 }), fc.integer({ min: 2, max: 150 })], {
    numRuns: 25,
    endOnFailure: true,
  })(
    'has no gap, no overlap and no reordering, whatever is published while it loads',
    async (steps, past, windowCandles) => {
      let turn = 0;
      // Windows and history come late, by a varying number of turns.
      const slow = async (): Promise<void> => {
        turn += 7;
        for (let i = turn % 5; i > 0; i--) await immediate();
      };
      const market = new TestMarket('BTCUSDT', slow);
      market.closeMany(past);
      market.windowCandles = windowCandles;
      const own = await Harness.start(market, transport, { lingerMs: 0, sweepMs: 20 });
      const clients = await Promise.all([0, 1, 2, 3].map((i) => own.client(i % 2 ? 'json' : 'msgpack')));
      const followers: { client: number; interval: Interval; follower: Follower }[] = [];
      const taken = new Set<string>();
      for (const { step, n } of steps) {
        if (step === 'close') own.bus.publish(market.close());
        else if (step === 'update') own.bus.publish([...market.update('1m'), ...market.update('5m')]);
        else if (step === 'correct') own.bus.publish(market.correct(n % 60));
        else if (step === 'gap') own.bus.publish(market.gap(1 + (n % 7)));
        else if (step === 'yield') await immediate();
        else if (step === 'wait') await later(n % 10);
        else {
          const [interval, channel] = CHANNELS[n % CHANNELS.length] ?? ['1m', 'candles:BTCUSDT:1m'];
          const client = (n >> 2) % clients.length;
          if (taken.has(`${client}${channel}`)) continue;
          taken.add(`${client}${channel}`);
          clients[client]?.send({ op: 'subscribe', channels: [{ channel, snapshot: n * 4 }] });
          followers.push({ client, interval, follower: new Follower(channel) });
        }
      }
      for (const { client, follower } of followers)
        await clients[client]?.until((m) => 'channel' in m && m.channel === follower.channel);
      expect(clients.flatMap((client) => client?.all('error'))).toEqual([]);
      own.bus.publish(market.close());
      for (const client of clients) await client?.sync();
      for (const { client, interval, follower } of followers) {
        follower.read(clients[client]?.messages ?? []);
        follower.expectTruth(market, interval);
        expect(follower.started).toBe(true);
      }
      await own.stop();
    },
  );

  test('one window and one history read serve many subscribers', async () => {
    const market = new TestMarket('BTCUSDT', () => immediate());
    market.closeMany(600);
    harness = await Harness.start(market, transport);
    const clients = await Promise.all(Array.from({ length: 20 }, () => harness?.client()));
    for (const client of clients) client?.send({ op: 'subscribe', channels: ['candles:BTCUSDT:1m'], snapshot: 400 });
    for (const client of clients) expect((await client?.type('subscribed'))?.candles).toHaveLength(400);
    const late = await harness.client();
    late.send({ op: 'subscribe', channels: ['candles:BTCUSDT:1m'], snapshot: 500 });
    expect((await late.type('subscribed')).candles).toHaveLength(500);
    expect(harness.gateway.stats.historyReads).toBe(1);
  });

  test('a thousand candles come from the store and memory together', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(300);
    market.gap(30);
    market.closeMany(900);
    harness = await Harness.start(market, transport);
    const client = await harness.client();
    client.send({ op: 'subscribe', channels: ['candles:BTCUSDT:1m'], snapshot: 1000 });
    const { candles, gaps } = await client.type('subscribed');
    expect(candles.map((c) => c.t)).toEqual(
      market
        .candles('1m')
        .slice(-1000)
        .map((c) => c.openTime),
    );
    expect(gaps).toHaveLength(1);
  });

  test('a young symbol has no more than it has', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(12);
    harness = await Harness.start(market, transport);
    const client = await harness.client();
    client.send({ op: 'subscribe', channels: ['candles:BTCUSDT:1m', 'candles:BTCUSDT:5m'], snapshot: 300 });
    const [minutes, fives] = [
      await client.type('subscribed'),
      await client.until((m) => m.type === 'subscribed' && m.channel.endsWith('5m')),
    ];
    expect(minutes.candles).toHaveLength(12);
    expect(fives).toMatchObject({ candles: [{ x: true }, { x: true }] });
  });

  test('a store that is behind what memory forgot is no answer', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(400);
    market.storedSeq = market.candles('1m')[200]?.seq ?? 0;
    harness = await Harness.start(market, transport);
    const client = await harness.client();
    client.send({ op: 'subscribe', id: 'deep', channels: ['candles:BTCUSDT:1m'], snapshot: 300 });
    expect(await client.type('error')).toMatchObject({ id: 'deep', code: 'history_unavailable' });
    client.send({ op: 'subscribe', id: 'deep', channels: ['candles:BTCUSDT:1m'], snapshot: 128 });
    expect((await client.type('subscribed')).candles).toHaveLength(128);
  });

  test('at once: what is in memory is enough, and nobody else gets less for it', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(400);
    market.historyDown = true;
    harness = await Harness.start(market, transport);
    const client = await harness.client();
    client.send({ op: 'subscribe', channels: [{ channel: 'candles:BTCUSDT:1m', snapshot: 300, atOnce: true }] });
    const { candles } = await client.type('subscribed');
    expect(candles.length).toBeGreaterThan(50);
    expect(candles.map((c) => c.t)).toEqual(
      market
        .candles('1m')
        .slice(-candles.length)
        .map((c) => c.openTime),
    );
    market.historyDown = false;
    const other = await harness.client();
    other.send({ op: 'subscribe', channels: ['candles:BTCUSDT:1m'], snapshot: 300 });
    expect((await other.type('subscribed')).candles).toHaveLength(300);
  });

  test('at once, where memory holds nothing: the store is asked', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(40);
    market.windowCandles = 0;
    harness = await Harness.start(market, transport);
    const client = await harness.client();
    client.send({ op: 'subscribe', channels: [{ channel: 'candles:BTCUSDT:1m', snapshot: 30, atOnce: true }] });
    expect((await client.type('subscribed')).candles).toHaveLength(30);
  });

  test('a store that catches up meanwhile is waited for', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(400);
    market.storedSeq = market.candles('1m')[200]?.seq ?? 0;
    harness = await Harness.start(market, transport);
    const client = await harness.client();
    client.send({ op: 'subscribe', channels: ['candles:BTCUSDT:1m'], snapshot: 300 });
    while (market.reads < 2) await immediate();
    market.storedSeq = null;
    expect((await client.type('subscribed')).candles).toHaveLength(300);
  });

  test('a store that is away says so, and memory goes on', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(400);
    market.historyDown = true;
    harness = await Harness.start(market, transport);
    const client = await harness.client();
    client.send({ op: 'subscribe', channels: ['candles:BTCUSDT:1m'], snapshot: 300 });
    expect(await client.type('error')).toMatchObject({ code: 'history_unavailable' });
    client.send({ op: 'subscribe', channels: ['candles:BTCUSDT:1m'], snapshot: 100 });
    expect((await client.type('subscribed')).candles).toHaveLength(100);
  });
});
