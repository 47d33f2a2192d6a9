import { afterEach, describe, expect, it } from 'vitest';
import type { MarketEvent } from '../../src/market/event.js';
import { candleFrame } from '../../src/wire/frames.js';
import { Follower } from './follower.js';
import { Harness } from './harness.js';
import { LossyBus } from './lossy-bus.js';
import { TestMarket } from './market.js';

const CHANNEL = 'candles:BTCUSDT:1m';

describe('a new writer', () => {
  let harness: Harness<LossyBus> | null = null;
  afterEach(async () => {
    await harness?.stop();
    harness = null;
  });

  async function following() {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(150);
    harness = await Harness.over(new LossyBus(market), market, 'uws', { watchMs: 60_000 });
    const client = await harness.client();
    client.send({ op: 'subscribe', channels: [{ channel: CHANNEL, snapshot: 5 }] });
    await client.type('subscribed');
    return { market, client, own: harness };
  }

  it('goes on from what the one before has published, and what that one still sends is dropped', async () => {
    const { market, client, own } = await following();
    const old: MarketEvent[] = [...market.update(), ...market.update()];
    market.takeOver();
    own.bus.publish(market.close());
    own.bus.publish(old);
    own.bus.publish(market.update());
    await client.sync();
    expect(client.all('candle').map(({ epoch, candle }) => [epoch, candle.x])).toEqual([
      [8, true],
      [8, false],
    ]);
    expect(client.all('resync')).toEqual([]);
    expect(own.gateway.stats).toMatchObject({ outdatedEvents: 2, heals: 0 });
  });

  it('is taken over from an update of the open candle, too', async () => {
    const { market, client, own } = await following();
    market.takeOver();
    own.bus.publish(market.update());
    await client.sync();
    expect(client.all('candle')).toMatchObject([{ epoch: 8, seq: market.seq }]);
  });

  it('that does not go on from there means something is missing', async () => {
    const { market, client, own } = await following();
    market.takeOver();
    market.close();
    own.bus.publish(market.close());
    expect(await client.type('resync')).toMatchObject({ epoch: 8, recovered: true, candles: [{}, {}] });
    new Follower(CHANNEL).read(client.messages).expectTruth(market, '1m');
  });

  it('that is behind what was published is no truth: it is waited for, and nothing goes back', async () => {
    const { market, client, own } = await following();
    own.bus.publish(market.close());
    const { seq } = market;
    market.takeOver();
    own.bus.rolledBack = { epoch: 8, seq: seq - 2 ** 20 };
    own.bus.publish(market.update().map((event) => ({ ...event, seq: seq - 2 ** 20 })));
    await client.until((m) => m.type === 'heartbeat' && m.stale === true);
    own.bus.rolledBack = null;
    expect(await client.until((m) => m.type === 'heartbeat' && m.stale === undefined)).toMatchObject({ epoch: 8, seq });
    own.bus.publish(market.close());
    await client.sync();
    new Follower(CHANNEL).read(client.messages).expectTruth(market, '1m');
    expect(client.all('resync')).toEqual([]);
  });

  it('is adopted from the position that the bus tells', async () => {
    const { market, client, own } = await following();
    market.takeOver();
    await own.gateway.watch();
    await own.gateway.watch();
    client.socket.terminate();
    const other = await own.client();
    other.send({ op: 'subscribe', channels: [{ channel: CHANNEL, position: { epoch: 8, seq: market.seq } }] });
    expect(await other.type('subscribed')).toMatchObject({ epoch: 8, recovered: true, candles: [] });
  });
});

describe('an event that comes encoded', () => {
  it('is passed on as it is to JSON clients of its channel, and to no other', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(5);
    const own = await Harness.over(new LossyBus(market), market);
    const [json, binary, closed] = [await own.client(), await own.client('msgpack'), await own.client()];
    for (const client of [json, binary]) client.send({ op: 'subscribe', channels: [CHANNEL] });
    closed.send({ op: 'subscribe', channels: [`${CHANNEL}:closed`] });
    for (const client of [json, binary, closed]) await client.type('subscribed');
    const [event] = market.close();
    if (event?.kind !== 'closed') throw new Error('no close');
    const frame = `${candleFrame('json', CHANNEL, event.epoch, event.seq, event.prev, event.candle)} `;
    own.bus.publish([{ ...event, frame }]);
    for (const client of [json, binary, closed]) await client.type('candle');
    expect(json.raw).toContain(frame);
    expect(closed.raw.at(-1)).not.toContain(' ');
    expect(binary.messages.at(-1)).toEqual(json.messages.at(-1));
    expect(own.gateway.stats.passedFrames).toBe(1);
    await own.stop();
  });

  it('is encoded anew where the channel has moved on', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(5);
    const own = await Harness.over(new LossyBus(market), market);
    const client = await own.client();
    client.send({ op: 'subscribe', channels: [CHANNEL] });
    await client.type('subscribed');
    own.bus.publish(market.update().map((event) => ({ ...event, seq: event.seq - 1, frame: 'old' })));
    own.bus.publish(market.update().map((event) => ({ ...event, epoch: 6, frame: 'outdated' })));
    own.bus.publish(market.close());
    await client.type('candle');
    expect(client.all('candle')).toHaveLength(1);
    await own.stop();
  });
});
