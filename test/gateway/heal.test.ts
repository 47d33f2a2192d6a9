import { setImmediate as immediate } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { Follower } from './follower.js';
import { Harness } from './harness.js';
import { TestMarket } from './market.js';

const CHANNEL = 'candles:BTCUSDT:1m';

describe('a hole in what comes over the bus', () => {
  let harness: Harness | null = null;
  afterEach(async () => {
    await harness?.stop();
    harness = null;
  });

  it('is healed with one resync before anything after it', async () => {
    const market = new TestMarket('BTCUSDT', () => immediate());
    market.closeMany(150);
    harness = await Harness.start(market);
    const client = await harness.client();
    client.send({ op: 'subscribe', channels: [{ channel: CHANNEL, snapshot: 10 }] });
    await client.type('subscribed');
    harness.bus.publish(market.close());
    market.close();
    market.correct(30);
    harness.bus.publish(market.close());
    harness.bus.publish(market.close());
    const resync = await client.type('resync');
    expect(resync.recovered).toBe(true);
    expect(resync.candles.map((c) => c.r)).toEqual([1, 0, 0, 0]);
    harness.bus.publish(market.close());
    await client.sync();
    const follower = new Follower(CHANNEL).read(client.messages);
    follower.expectTruth(market, '1m');
    expect(harness.gateway.stats.heals).toBe(1);
  });

  it('leaves no snapshot behind that was put together before it', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(150);
    harness = await Harness.start(market);
    const client = await harness.client();
    client.send({ op: 'subscribe', channels: [CHANNEL, `${CHANNEL}:closed`], snapshot: 3 });
    client.send({ op: 'unsubscribe', channels: [CHANNEL] });
    await client.type('unsubscribed');
    market.close();
    harness.bus.publish(market.close());
    await client.type('resync');
    const seen = client.messages.length;
    client.send({ op: 'subscribe', channels: [CHANNEL], snapshot: 3 });
    await client.sync();
    new Follower(CHANNEL).read(client.messages.slice(seen)).expectTruth(market, '1m');
  });

  it('is noticed by the next update, too', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(150);
    harness = await Harness.start(market);
    const client = await harness.client();
    client.send({ op: 'subscribe', channels: [CHANNEL] });
    await client.type('subscribed');
    market.close();
    harness.bus.publish(market.update());
    expect(await client.type('resync')).toMatchObject({ recovered: true, candles: [{ x: true }, { x: false }] });
  });

  it('longer than memory is filled from the store', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(150);
    harness = await Harness.start(market);
    const client = await harness.client();
    client.send({ op: 'subscribe', channels: [CHANNEL] });
    await client.type('subscribed');
    market.closeMany(300);
    harness.bus.publish(market.close());
    const resync = await client.type('resync');
    expect(resync).toMatchObject({ recovered: true });
    expect(resync.candles).toHaveLength(301);
  });

  it('that nothing can fill is said, and live goes on', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(150);
    market.historyDown = true;
    harness = await Harness.start(market);
    const client = await harness.client();
    client.send({ op: 'subscribe', channels: [CHANNEL] });
    await client.type('subscribed');
    market.closeMany(300);
    harness.bus.publish(market.close());
    expect(await client.type('resync')).toMatchObject({ recovered: false });
    harness.bus.publish(market.close());
    await client.sync();
    expect(client.messages.at(-2)).toMatchObject({ type: 'candle', seq: market.seq });
  });

  it('never shows, whatever is lost on the way', async () => {
    const step = fc.record({ what: fc.constantFrom('close', 'update', 'correct', 'gap', 'yield'), lost: fc.boolean() });
    const run = async (steps: readonly { what: string; lost: boolean }[]): Promise<void> => {
      const market = new TestMarket('BTCUSDT', () => immediate());
      market.closeMany(140);
      const own = await Harness.start(market);
      const client = await own.client();
      client.send({ op: 'subscribe', channels: [{ channel: CHANNEL, snapshot: 5 }] });
      await client.type('subscribed');
      for (const { what, lost } of steps) {
        if (what === 'yield') await immediate();
        const events =
          what === 'close' ? market.close() : what === 'update' ? market.update() : what === 'gap' ? market.gap(2) : [];
        if (what === 'correct') events.push(...market.correct(10));
        if (!lost && events.length > 0) own.bus.publish(events);
      }
      own.bus.publish(market.close());
      const follower = new Follower(CHANNEL);
      await client.until((m) => 'seq' in m && m.seq === market.seq);
      follower.read(client.messages).expectTruth(market, '1m');
      await own.stop();
    };
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), run), { numRuns: 40, endOnFailure: true });
  });

  it('a window that does not load is loaded again', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(150);
    harness = await Harness.start(market);
    const client = await harness.client();
    client.send({ op: 'subscribe', channels: [CHANNEL] });
    await client.type('subscribed');
    const windowOf = market.windowOf.bind(market);
    let failures = 0;
    market.windowOf = async (symbol, interval) => {
      if (failures++ < 1) throw new Error('the bus is away');
      return windowOf(symbol, interval);
    };
    market.close();
    harness.bus.publish(market.close());
    expect(await client.type('resync')).toMatchObject({ recovered: true, seq: market.seq });
  });
});

describe('channels', () => {
  it('start demand with the first subscriber and end it after the last, with a linger', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(5);
    const harness = await Harness.start(market, 'uws', { lingerMs: 50, sweepMs: 10 });
    const client = await harness.client();
    expect(harness.bus.wants('BTCUSDT', '1m')).toBe(false);
    client.send({ op: 'subscribe', channels: [CHANNEL, `${CHANNEL}:closed`] });
    await client.until((m) => m.type === 'subscribed' && m.channel.endsWith('closed'));
    expect(harness.bus.wants('BTCUSDT', '1m')).toBe(true);
    expect(harness.gateway.channels).toBe(1);
    client.send({ op: 'unsubscribe', channels: [CHANNEL] });
    client.send({ op: 'unsubscribe', channels: [`${CHANNEL}:closed`] });
    await client.sync();
    expect(harness.bus.wants('BTCUSDT', '1m')).toBe(true);
    while (harness.bus.wants('BTCUSDT', '1m')) await immediate();
    expect(harness.gateway.channels).toBe(0);
    await harness.stop();
  });

  it('beat where nothing else was said', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(5);
    const harness = await Harness.start(market, 'uws', { heartbeatMs: 30 });
    const client = await harness.client();
    client.send({ op: 'subscribe', channels: [CHANNEL, 'status'] });
    const beat = await client.until((m) => m.type === 'heartbeat' && m.channel === CHANNEL);
    expect(beat).toEqual({ type: 'heartbeat', channel: CHANNEL, epoch: 7, seq: market.seq });
    await client.until((m) => m.type === 'heartbeat' && m.channel === 'status');
    await harness.stop();
  });
});
