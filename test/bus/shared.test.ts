import { expect, it } from 'vitest';
import type { Subscriber } from '../../src/bus/bus.js';
import { LocalBus } from '../../src/bus/local.js';
import { SharedSubscriber } from '../../src/bus/shared.js';
import { TestMarket } from '../gateway/market.js';
import { busContract } from './contract.js';

busContract('a part of a shared subscriber', async (market) => {
  const publisher = new LocalBus((symbol, interval) => market.windowOf(symbol, interval));
  const subscriber = new SharedSubscriber(publisher).view();
  return {
    publisher,
    subscriber,
    subscribe: (symbol, interval) => subscriber.subscribe(symbol, interval),
    settled: async () => {},
    stop: async () => {},
  };
});

it('a channel goes on until the last part has left it', async () => {
  const market = new TestMarket('BTCUSDT');
  const bus = new LocalBus((symbol, interval) => market.windowOf(symbol, interval));
  const shared = new SharedSubscriber(bus);
  const parts = [shared.view(), shared.view()];
  for (const part of parts) await part.subscribe('BTCUSDT', '1m');
  parts[0]?.unsubscribe('BTCUSDT', '1m');
  parts[0]?.unsubscribe('BTCUSDT', '1m');
  expect(bus.wants('BTCUSDT', '1m')).toBe(true);
  parts[1]?.unsubscribe('BTCUSDT', '1m');
  expect(bus.wants('BTCUSDT', '1m')).toBe(false);
});

it('what one part may not subscribe now takes nothing from another', async () => {
  const market = new TestMarket('BTCUSDT');
  const bus = new LocalBus((symbol, interval) => market.windowOf(symbol, interval));
  let down = false;
  const subscriber: Subscriber = Object.assign(Object.create(bus) as LocalBus, {
    subscribe: async (symbol: string, interval: '1m') => {
      if (down) throw new Error('away');
      await bus.subscribe(symbol, interval);
    },
    unsubscribe: (symbol: string, interval: '1m') => bus.unsubscribe(symbol, interval),
  });
  const shared = new SharedSubscriber(subscriber);
  const [one, two] = [shared.view(), shared.view()];
  await one.subscribe('BTCUSDT', '1m');
  down = true;
  await expect(two.subscribe('BTCUSDT', '1m')).rejects.toThrow('away');
  expect(bus.wants('BTCUSDT', '1m')).toBe(true);
  one.unsubscribe('BTCUSDT', '1m');
  expect(bus.wants('BTCUSDT', '1m')).toBe(false);
});
