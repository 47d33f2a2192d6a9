import { afterEach, describe, expect, it } from 'vitest';
import { toWireCandle } from '../../src/wire/messages.js';
import { Harness, TRANSPORTS } from './harness.js';
import { TestMarket } from './market.js';

describe.each(TRANSPORTS)('gateway on %s', (transport) => {
  let harness: Harness | null = null;
  afterEach(async () => {
    await harness?.stop();
    harness = null;
  });

  it('says welcome, sends the snapshot, then live', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(20);
    market.update();
    harness = await Harness.start(market, transport);
    const client = await harness.client();
    expect(await client.type('welcome')).toMatchObject({ protocol: 'candlecast.v1', heartbeatMs: 10_000 });
    client.send({ op: 'subscribe', id: 'a', channels: [{ channel: 'candles:BTCUSDT:1m', snapshot: 5 }] });
    const first = await client.type('subscribed');
    const candles = market.candles('1m').slice(-5).map(toWireCandle);
    expect(first).toEqual({
      type: 'subscribed',
      id: 'a',
      channel: 'candles:BTCUSDT:1m',
      epoch: 7,
      seq: market.seq,
      candles: [...candles, toWireCandle(market.open('1m'))],
      gaps: [],
    });
    const before = market.seq;
    harness.bus.publish(market.close());
    const live = await client.type('candle');
    expect(live).toEqual({
      type: 'candle',
      channel: 'candles:BTCUSDT:1m',
      epoch: 7,
      seq: market.seq,
      prev: before,
      candle: toWireCandle(market.candles('1m').at(-1) ?? market.open('1m')),
    });
  });

  it('carries no open candles on :closed', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(3);
    harness = await Harness.start(market, transport);
    const client = await harness.client();
    client.send({ op: 'subscribe', channels: ['candles:BTCUSDT:1m:closed'], snapshot: 2 });
    expect((await client.type('subscribed')).candles).toHaveLength(2);
    harness.bus.publish(market.update());
    harness.bus.publish(market.close());
    harness.bus.publish(market.gap(3));
    await client.type('gap');
    expect(client.all('candle').map((m) => m.candle.x)).toEqual([true]);
  });

  it('sends what was published in the turn of an unsubscribe, and nothing after', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(3);
    harness = await Harness.start(market, transport);
    const { bus } = harness;
    const client = await harness.client();
    client.send({ op: 'subscribe', channels: ['candles:BTCUSDT:1m'] });
    await client.type('subscribed');
    harness.bus.publish(market.close());
    client.send({ op: 'unsubscribe', id: 2, channels: ['candles:BTCUSDT:1m'] });
    await client.type('unsubscribed');
    bus.publish(market.close());
    await client.sync();
    expect(client.all('candle')).toHaveLength(1);
    expect(client.messages.at(-2)).toEqual({ type: 'unsubscribed', id: 2, channel: 'candles:BTCUSDT:1m' });
  });

  it('lists, pings, echoes ids', async () => {
    harness = await Harness.start(new TestMarket('BTCUSDT'), transport);
    const client = await harness.client();
    client.send({ op: 'subscribe', channels: ['status', 'candles:BTCUSDT:5m'] });
    await client.type('status');
    await client.until((m) => m.type === 'subscribed' && m.channel !== 'status');
    client.send({ op: 'list', id: 'l' });
    expect(await client.type('channels')).toEqual({
      type: 'channels',
      id: 'l',
      channels: ['candles:BTCUSDT:5m', 'status'],
    });
    client.send({ op: 'ping', id: 9 });
    expect(await client.type('pong')).toMatchObject({ id: 9 });
  });

  it('sends status snapshot and changes', async () => {
    harness = await Harness.start(new TestMarket('BTCUSDT'), transport);
    const status = { symbol: 'BTCUSDT', source: 'demo', synthetic: true, since: 1, lastTradeTime: null } as const;
    harness.bus.publishStatus([{ ...status, state: 'starting' }]);
    const client = await harness.client();
    client.send({ op: 'subscribe', channels: ['status'] });
    expect((await client.type('status')).symbols).toEqual([{ ...status, state: 'starting' }]);
    harness.bus.publishStatus([{ ...status, state: 'live' }]);
    const change = await client.until((m) => m.type === 'status' && m.symbols[0]?.state === 'live');
    expect(change).toMatchObject({ channel: 'status', seq: 2 });
  });

  it('answers unknown symbols and forgets them', async () => {
    harness = await Harness.start(new TestMarket('BTCUSDT'), transport);
    const client = await harness.client();
    client.send({ op: 'subscribe', id: 1, channels: ['candles:NOPE:1m'] });
    expect(await client.type('error')).toMatchObject({ id: 1, channel: 'candles:NOPE:1m', code: 'unknown_symbol' });
    expect(harness.gateway.channels).toBe(0);
    expect(harness.bus.wants('NOPE', '1m')).toBe(false);
    // Those that wait behind another one too, whose channels are let go of meanwhile.
    client.send({ op: 'subscribe', id: 2, channels: ['candles:NO:1m', 'candles:NEITHER:1m', 'candles:NOR:1m'] });
    await client.sync();
    const codes = client.all('error').map(({ id, code }) => [id, code]);
    expect(codes.slice(1)).toEqual([2, 2, 2].map((id) => [id, 'unknown_symbol']));
  });

  it('says the same in MessagePack', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(150);
    market.update();
    harness = await Harness.start(market, transport);
    const [text, binary] = [await harness.client('json'), await harness.client('msgpack')];
    for (const client of [text, binary]) {
      client.send({ op: 'subscribe', id: 'x', channels: ['candles:BTCUSDT:1m'], snapshot: 140 });
      await client.type('subscribed');
    }
    for (let i = 0; i < 50; i++) {
      harness.bus.publish([...market.update(), ...market.close(), ...market.correct(i)]);
    }
    harness.bus.publish(market.gap(2));
    for (const client of [text, binary]) await client.type('gap');
    expect(binary.messages.slice(1)).toEqual(text.messages.slice(1));
    expect(binary.raw.every((frame) => typeof frame !== 'string')).toBe(true);
    expect(text.raw.every((frame) => typeof frame === 'string')).toBe(true);
  });
});
