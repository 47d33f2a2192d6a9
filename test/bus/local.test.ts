import { describe, expect, it } from 'vitest';
import { LocalBus } from '../../src/bus/local.js';
import { TestMarket } from '../gateway/market.js';
import { busContract } from './contract.js';

busContract('in process', async (market) => {
  const bus = new LocalBus((symbol, interval) => market.windowOf(symbol, interval));
  return {
    publisher: bus,
    subscriber: bus,
    subscribe: (symbol, interval) => bus.subscribe(symbol, interval),
    settled: async () => {},
    stop: async () => {},
  };
});

describe('the in-process bus', () => {
  it('tells the producer what is wanted', async () => {
    const bus = new LocalBus(async () => null);
    await bus.subscribe('BTCUSDT', '1m');
    expect([bus.wants('BTCUSDT', '1m'), bus.wants('BTCUSDT', '5m'), bus.wants('ETHUSDT', '1m')]).toEqual([
      true,
      false,
      false,
    ]);
    bus.unsubscribe('BTCUSDT', '1m');
    expect(bus.wants('BTCUSDT', '1m')).toBe(false);
  });

  it('delivers in the turn of the publisher', async () => {
    const market = new TestMarket('BTCUSDT');
    const bus = new LocalBus(async () => null);
    await bus.subscribe('BTCUSDT', '1m');
    let heard = 0;
    bus.onEvents((events) => {
      heard += events.length;
    });
    bus.publish(market.close());
    expect(heard).toBe(1);
  });
});
