import { setImmediate as immediate } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { GatewayLimits } from '../../src/gateway/limits.js';
import type { TestClient } from './client.js';
import { Follower } from './follower.js';
import { Harness, TRANSPORTS } from './harness.js';
import { LossyBus } from './lossy-bus.js';
import { TestMarket } from './market.js';

const CHANNEL = 'candles:BTCUSDT:1m';
const FIVE = 'candles:BTCUSDT:5m:closed';
const STATUS = { symbol: 'BTCUSDT', source: 'demo', synthetic: true, since: 1, lastTradeTime: null } as const;

describe.each(TRANSPORTS)('a bus that goes away, on %s', (transport) => {
  let harness: Harness<LossyBus> | null = null;
  afterEach(async () => {
    await harness?.stop();
    harness = null;
  });

  /** Rounds of the watch are made by hand. */
  async function start(limits: Partial<GatewayLimits> = {}) {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(150);
    const own = await Harness.over(new LossyBus(market), market, transport, { watchMs: 60_000, ...limits });
    own.bus.publishStatus([{ ...STATUS, state: 'live' }]);
    harness = own;
    return { market, own, bus: own.bus };
  }

  async function subscribed(own: Harness<LossyBus>, ...channels: string[]): Promise<TestClient> {
    const client = await own.client();
    client.send({ op: 'subscribe', channels, snapshot: 5 });
    await client.until(() => client.all('subscribed').length === channels.length);
    return client;
  }

  const beats = (client: TestClient, channel: string) =>
    client.all('heartbeat').filter((beat) => beat.channel === channel);

  it('is told on every channel at once, and again every round; sockets stay', async () => {
    const { market, own, bus } = await start();
    const client = await subscribed(own, CHANNEL, FIVE, 'status');
    bus.setUp(false);
    await client.sync();
    for (const channel of [CHANNEL, FIVE]) {
      const seq = market.lastDurable[channel === CHANNEL ? '1m' : '5m'] ?? 0;
      expect(beats(client, channel)).toEqual([{ type: 'heartbeat', channel, epoch: 7, seq, stale: true }]);
    }
    const { symbols } = client.all('status').at(-1) ?? { symbols: [] };
    expect(symbols).toMatchObject([{ symbol: 'BTCUSDT', state: 'stale', source: 'demo' }]);
    expect(Date.now() - (symbols[0]?.since ?? 0)).toBeLessThan(60_000);
    await own.gateway.watch();
    await client.sync();
    for (const channel of [CHANNEL, FIVE, 'status']) expect(beats(client, channel)).toHaveLength(2);
    expect(own.gateway.stats).toMatchObject({ staleChannels: 2, connections: 1 });
    expect(bus.positionCalls).toBe(0);
  });

  it('and comes back with nothing missed: a heartbeat says so, in one call for all channels', async () => {
    const { own, bus } = await start();
    const client = await subscribed(own, CHANNEL, FIVE, 'status');
    bus.setUp(false);
    bus.setUp(true);
    for (const channel of [CHANNEL, FIVE])
      expect(await client.until((m) => m.type === 'heartbeat' && m.channel === channel && !m.stale)).toBeDefined();
    expect(client.all('resync')).toEqual([]);
    expect(client.all('status').map(({ symbols }) => symbols[0]?.state)).toEqual(['live', 'stale', 'live']);
    expect(own.gateway.stats).toMatchObject({ staleChannels: 0, heals: 0 });
    expect([bus.positionCalls, bus.windowCalls]).toEqual([1, 2]);
  });

  it('and comes back with more: one resync', async () => {
    const { market, own, bus } = await start();
    const client = await subscribed(own, CHANNEL, FIVE);
    bus.setUp(false);
    market.closeMany(20);
    market.gap(3);
    market.correct(8);
    bus.setUp(true);
    await client.until(() => client.all('resync').length === 2);
    bus.publish(market.close());
    await client.sync();
    new Follower(CHANNEL).read(client.messages).expectTruth(market, '1m');
    new Follower(FIVE).read(client.messages).expectTruth(market, '5m');
    expect(own.gateway.stats).toMatchObject({ staleChannels: 0, heals: 2 });
  });

  it('and comes back empty: stale until the writer has filled it again', async () => {
    const { market, own, bus } = await start();
    const client = await subscribed(own, CHANNEL);
    bus.setUp(false);
    market.close();
    bus.empty = true;
    bus.setUp(true);
    while (bus.windowCalls < 4) await immediate();
    await own.gateway.watch();
    await client.sync();
    expect(beats(client, CHANNEL).every(({ stale }) => stale)).toBe(true);
    expect(client.all('resync')).toEqual([]);
    bus.empty = false;
    expect(await client.type('resync')).toMatchObject({ recovered: true, candles: [{ x: true }] });
    new Follower(CHANNEL).read(client.messages).expectTruth(market, '1m');
  });

  it('and comes back empty with nothing missed: what arrives while that is found out is sent when it is', async () => {
    const { market, own, bus } = await start();
    const client = await subscribed(own, CHANNEL);
    bus.setUp(false);
    bus.empty = true;
    bus.setUp(true);
    while (bus.windowCalls < 3) await immediate();
    bus.publish(market.update());
    bus.empty = false;
    expect(await client.type('candle')).toMatchObject({ seq: market.seq, candle: { x: false } });
    await client.until((m) => m.type === 'heartbeat' && !m.stale);
    expect(client.all('resync')).toEqual([]);
  });

  it('may still deliver what was under way, with a hole in it', async () => {
    const { market, own, bus } = await start();
    const client = await subscribed(own, CHANNEL);
    bus.setUp(false);
    bus.deliverLate(market.close());
    market.close();
    bus.deliverLate(market.close());
    bus.deliverLate(market.update());
    await client.sync();
    expect(client.all('candle')).toHaveLength(1);
    bus.setUp(true);
    expect(await client.type('resync')).toMatchObject({ recovered: true, candles: [{}, {}, { x: false }] });
    new Follower(CHANNEL).read(client.messages).expectTruth(market, '1m');
  });

  it('and goes away again in the middle of healing', async () => {
    const { market, own, bus } = await start();
    const client = await subscribed(own, CHANNEL);
    for (let i = 0; i < 20; i++) {
      bus.setUp(false);
      market.close();
      bus.setUp(true);
      for (let turn = 0; turn < i % 4; turn++) await immediate();
    }
    await client.until((m) => m.type === 'resync' && m.seq === market.seq);
    new Follower(CHANNEL).read(client.messages).expectTruth(market, '1m');
  });

  it('and lets a message through meanwhile that does not join: it shows when it is back', async () => {
    const { market, own, bus } = await start();
    const client = await subscribed(own, CHANNEL);
    bus.setUp(false);
    market.close();
    bus.publishWhileAway(market.close());
    bus.publishWhileAway(market.close());
    await client.sync();
    expect(client.all('resync')).toEqual([]);
    bus.setUp(true);
    await client.type('resync');
    new Follower(CHANNEL).read(client.messages).expectTruth(market, '1m');
  });

  it('meanwhile new subscribers get what is in memory, and are told that it is stale', async () => {
    const { market, own, bus } = await start();
    await subscribed(own, CHANNEL);
    const position = { epoch: market.epoch, seq: market.seq };
    bus.setUp(false);
    const client = await own.client();
    client.send({ op: 'subscribe', channels: [{ channel: CHANNEL, position }, 'status'] });
    await client.until((m) => m.type === 'heartbeat' && m.channel === 'status');
    expect(client.messages.slice(1)).toMatchObject([
      { type: 'subscribed', channel: CHANNEL, recovered: true },
      { type: 'heartbeat', channel: CHANNEL, stale: true },
      { type: 'subscribed', channel: 'status' },
      { type: 'status', symbols: [{ state: 'stale' }] },
      { type: 'heartbeat', channel: 'status', stale: true },
    ]);
  });

  it('meanwhile a channel that is not in memory is an error after a while; a short absence does not show', async () => {
    const { own, bus } = await start({ catchUpMs: 200 });
    bus.setUp(false);
    const client = await own.client();
    client.send({ op: 'subscribe', id: 1, channels: [CHANNEL] });
    expect(await client.type('error')).toMatchObject({ id: 1, code: 'history_unavailable' });
    expect(own.gateway.channels).toBe(0);
    client.send({ op: 'subscribe', id: 2, channels: [CHANNEL] });
    await client.sync();
    bus.setUp(true);
    expect(await client.type('subscribed')).toMatchObject({ id: 2 });
    await client.sync();
    expect(beats(client, CHANNEL)).toEqual([]);
  });

  it('loses the last message in silence: a quiet channel is compared, in one call for all', async () => {
    const { market, own, bus } = await start();
    const client = await subscribed(own, CHANNEL, FIVE);
    await own.gateway.watch();
    expect(bus.positionCalls).toBe(0);
    market.close();
    await own.gateway.watch();
    expect(await client.type('resync')).toMatchObject({ channel: CHANNEL, recovered: true, seq: market.seq });
    expect(bus.positionCalls).toBe(1);
    bus.publish(market.update());
    await own.gateway.watch();
    await own.gateway.watch();
    await client.sync();
    expect(client.all('heartbeat')).toEqual([]);
    expect(client.all('resync')).toHaveLength(1);
  });

  it('is not blamed for what is still on its way', async () => {
    const { market, own, bus } = await start();
    const client = await subscribed(own, CHANNEL);
    await own.gateway.watch();
    const events = market.close();
    await own.gateway.watch();
    bus.publish(events);
    bus.publish(market.close());
    while (client.all('candle').length < 2) await client.change();
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(own.gateway.stats.heals).toBe(0);
    expect(bus.windowCalls).toBe(1);
  });

  it('is asked only about channels that somebody has', async () => {
    const { own, bus } = await start();
    const client = await subscribed(own, CHANNEL);
    client.send({ op: 'unsubscribe', channels: [CHANNEL] });
    await client.type('unsubscribed');
    for (let i = 0; i < 3; i++) await own.gateway.watch();
    expect(bus.positionCalls).toBe(0);
  });
});
