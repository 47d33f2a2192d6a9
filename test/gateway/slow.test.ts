import { setImmediate as immediate, setTimeout as later } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { TestClient } from './client.js';
import { Follower } from './follower.js';
import { Harness, TRANSPORTS } from './harness.js';
import { TestMarket } from './market.js';

const CHANNEL = 'candles:BTCUSDT:1m';
const CLOSED = 'candles:BTCUSDT:1m:closed';
const QUICK = { sweepMs: 10, pingPeriodMs: 20, pongTimeoutMs: 100 };

describe.each(TRANSPORTS)('a client that stops reading, on %s', (transport) => {
  let harness: Harness | null = null;
  afterEach(async () => {
    await harness?.stop();
    harness = null;
  });

  async function start(limits: object): Promise<{ own: Harness; market: TestMarket }> {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(200);
    harness = await Harness.start(market, transport, { ...QUICK, ...limits });
    return { own: harness, market };
  }

  async function subscribed(own: Harness, ...channels: string[]): Promise<TestClient> {
    const client = await own.client();
    client.send({ op: 'subscribe', channels, snapshot: 5 });
    await client.until(() => client.all('subscribed').length === channels.length);
    return client;
  }

  /** Publishes a batch every `pauseMs` (0: every turn) until `enough`. */
  async function publishUntil(own: Harness, market: TestMarket, enough: () => boolean, pauseMs = 0): Promise<void> {
    for (let i = 0; !enough(); i++) {
      own.bus.publish([...market.update(), ...(i % 10 === 0 ? market.correct(i % 50) : []), ...market.close()]);
      await (pauseMs === 0 ? immediate() : later(pauseMs));
    }
  }

  function isTrue(client: TestClient, channel: string, market: TestMarket): Follower {
    const follower = new Follower(channel).read(client.messages);
    follower.expectTruth(market, '1m');
    return follower;
  }

  it('gets every closed candle in order when it reads again; the others notice nothing', async () => {
    const { own, market } = await start({ pongTimeoutMs: 1_000 });
    const slow = await subscribed(own, CHANNEL, CLOSED, 'status');
    const other = await subscribed(own, CHANNEL);
    slow.socket.pause();
    await publishUntil(own, market, () => own.gateway.stats.lagging === 1, 1);
    for (let i = 0; i < 300; i++) own.bus.publish([...market.update(), ...market.close()]);
    slow.socket.resume();
    await slow.until(() => slow.all('resync').length === 2 && slow.all('status').length === 2);
    own.bus.publish([...market.update(), ...market.close(), ...market.update()]);
    await slow.sync();
    await other.sync();
    expect(isTrue(slow, CHANNEL, market)).toMatchObject({ resyncs: 1, open: { x: false } });
    expect(isTrue(slow, CLOSED, market)).toMatchObject({ resyncs: 1, open: null });
    expect(isTrue(other, CHANNEL, market).resyncs).toBe(0);
    expect(own.gateway.stats).toMatchObject({ lagging: 0, lagsTotal: 1, closes: {} });
  });

  it('is found by what is buffered for it, too', async () => {
    const { own, market } = await start({ pongTimeoutMs: 60_000, lagBytes: 70_000 });
    const slow = await subscribed(own, CHANNEL);
    slow.socket.pause();
    await publishUntil(own, market, () => own.gateway.stats.lagging === 1);
    slow.socket.resume();
    await slow.type('resync');
    own.bus.publish(market.close());
    await slow.sync();
    expect(isTrue(slow, CHANNEL, market).resyncs).toBe(1);
  });

  it('is closed with 4001 after what it was sent, when it does not come back', async () => {
    const { own, market } = await start({ lagTimeoutMs: 100 });
    const slow = await subscribed(own, CHANNEL);
    slow.socket.pause();
    await publishUntil(own, market, () => own.gateway.stats.lagging === 1);
    const follower = new Follower(CHANNEL);
    while (own.gateway.stats.closes[4001] !== 1) await immediate();
    slow.socket.resume();
    expect(await slow.closed()).toBe(4001);
    follower.read(slow.messages);
    const back = await own.client();
    const position = { epoch: follower.epoch, seq: follower.seq };
    back.send({ op: 'subscribe', channels: [{ channel: CHANNEL, position }] });
    expect(await back.type('subscribed')).toMatchObject({ recovered: true });
    follower.read(back.messages).expectTruth(market, '1m');
  });

  it('is closed with 4001 when it lags again and again', async () => {
    const { own, market } = await start({ lagsInARow: 1 });
    const slow = await subscribed(own, CHANNEL);
    slow.socket.pause();
    await publishUntil(own, market, () => own.gateway.stats.lagsTotal === 1);
    slow.socket.resume();
    await slow.type('resync');
    slow.socket.pause();
    await publishUntil(own, market, () => own.gateway.stats.lagsTotal === 2);
    slow.socket.resume();
    expect(await slow.closed()).toBe(4001);
    new Follower(CHANNEL).read(slow.messages);
  });

  it('is closed with 4001 when what it missed cannot be read', async () => {
    const { own, market } = await start({});
    const slow = await subscribed(own, CHANNEL);
    slow.socket.pause();
    await publishUntil(own, market, () => own.gateway.stats.lagging === 1);
    market.historyDown = true;
    for (let i = 0; i < 600; i++) own.bus.publish(market.close());
    slow.socket.resume();
    expect(await slow.closed()).toBe(4001);
    new Follower(CHANNEL).read(slow.messages);
  });

  it('may subscribe and unsubscribe meanwhile', async () => {
    const { own, market } = await start({});
    const slow = await subscribed(own, CHANNEL);
    slow.socket.pause();
    await publishUntil(own, market, () => own.gateway.stats.lagging === 1);
    slow.send({ op: 'unsubscribe', channels: [CHANNEL] });
    slow.send({ op: 'subscribe', channels: [CLOSED], snapshot: 3 });
    slow.send({ op: 'list', id: 'meanwhile' });
    for (let i = 0; i < 50; i++) {
      own.bus.publish(market.close());
      await immediate();
    }
    slow.socket.resume();
    await slow.until((m) => m.type === 'subscribed' && m.channel === CLOSED);
    own.bus.publish(market.close());
    await slow.sync();
    isTrue(slow, CLOSED, market);
    expect(slow.all('resync')).toHaveLength(0);
    expect(slow.messages.find((m) => m.type === 'channels')).toMatchObject({ channels: [] });
  });

  it('gets what was published in the very turn in which it was found to lag', async () => {
    const { own, market } = await start({ sweepMs: 60_000, pingPeriodMs: 50_000, pongTimeoutMs: -1 });
    const slow = await subscribed(own, CHANNEL);
    own.bus.publish(market.close());
    own.gateway.sweep();
    own.bus.publish(market.close());
    own.gateway.sweep();
    expect(own.gateway.stats.lagging).toBe(1);
    own.bus.publish(market.close());
    const resync = await slow.type('resync');
    expect(resync.candles).toHaveLength(1);
    expect(isTrue(slow, CHANNEL, market).resyncs).toBe(1);
  });

  it('is not one that reads slowly but surely', async () => {
    const { own, market } = await start({ pongTimeoutMs: 2_000 });
    const client = await subscribed(own, CHANNEL);
    for (let i = 0; i < 2000; i++) {
      own.bus.publish(market.close());
      if (i % 100 === 0) client.socket.isPaused ? client.socket.resume() : client.socket.pause();
      if (i % 10 === 0) await immediate();
    }
    client.socket.resume();
    await client.sync();
    expect(isTrue(client, CHANNEL, market).resyncs).toBe(0);
    expect(own.gateway.stats.lagsTotal).toBe(0);
  });
});
