import { afterEach, describe, expect, it } from 'vitest';
import { decodeTrades, encodeTrades } from '../../src/bus/redis/trade-message.js';
import { RedisTradePublisher } from '../../src/bus/redis/trade-publisher.js';
import { RedisTradeSubscriber } from '../../src/bus/redis/trade-subscriber.js';
import type { TradeTape } from '../../src/bus/trade-tape.js';
import { LocalTrades, type TradeSubscriber } from '../../src/bus/trades.js';
import { systemClock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import type { Trade } from '../../src/market/trade.js';
import { RedisClusterServers, RedisServer } from '../support/redis.js';
import { until } from './redis-bus.js';

function trade(id: number, symbol = 'BTCUSDT'): Trade {
  const price = { priceWhole: 64_000 + id, priceFraction: 1_000_000, quantityWhole: 0, quantityFraction: 12_345_678 };
  return { symbol, id, time: 1_700_000_000_000 + id, ...price, takerSide: id % 2 === 0 ? 'buy' : 'sell' };
}

interface Under {
  readonly tape: TradeTape;
  readonly subscriber: TradeSubscriber;
  stop(): Promise<void>;
}

async function overRedis(url: string, stopServers: () => Promise<unknown>): Promise<Under> {
  const options = { url, prefix: 'cc:', clock: systemClock, log: silentLog };
  const [publisher, subscriber] = [new RedisTradePublisher(options), new RedisTradeSubscriber(options)];
  await Promise.all([publisher.start(), subscriber.start()]);
  await until(async () => {
    await subscriber.subscribe('PROBE').catch(() => {});
    publisher.tape.take(trade(1, 'PROBE'));
    return (await subscriber.recent('PROBE').catch(() => [])).length > 0;
  });
  const stop = async (): Promise<void> => {
    await Promise.all([publisher.stop(), subscriber.stop()]);
    await stopServers();
  };
  return { tape: publisher.tape, subscriber, stop };
}

const KINDS: readonly (readonly [string, () => Promise<Under>])[] = [
  [
    'in one process',
    async () => {
      const trades = new LocalTrades();
      return { tape: trades.tape, subscriber: trades, stop: async () => {} };
    },
  ],
  [
    'over Redis',
    async () => {
      const server = await RedisServer.start();
      return overRedis(server.url, () => server.stop());
    },
  ],
  [
    'over a Redis Cluster',
    async () => {
      const servers = await RedisClusterServers.start();
      return overRedis(servers.url, () => servers.stop());
    },
  ],
];

describe.each(KINDS)('single trades %s', (_, start) => {
  let under: Under;
  afterEach(() => under.stop());

  it('reach those who ask, in order, and nobody else; the latest are there for who comes later', async () => {
    under = await start();
    const { tape, subscriber } = under;
    const heard: Trade[] = [];
    subscriber.onTrades((symbol, trades) => {
      for (const one of trades) {
        expect(one.symbol).toBe(symbol);
        if (symbol !== 'PROBE') heard.push(one);
      }
    });
    for (let id = 1; id <= 10; id++) tape.take(trade(id));
    await subscriber.subscribe('BTCUSDT');
    expect((await subscriber.recent('BTCUSDT')).map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    for (let id = 11; id <= 300; id++) {
      tape.take(trade(id));
      tape.take(trade(id, 'ETHUSDT'));
    }
    await until(() => heard.length >= 290);
    expect(heard).toEqual(Array.from({ length: 290 }, (_item, i) => trade(11 + i)));
    expect(await subscriber.recent('BTCUSDT')).toEqual(Array.from({ length: 300 }, (_item, i) => trade(1 + i)));
    expect((await subscriber.recent('ETHUSDT')).length).toBe(290);
    expect(await subscriber.recent('NOPE')).toEqual([]);
    subscriber.unsubscribe('BTCUSDT');
    tape.take(trade(301));
    await subscriber.subscribe('ETHUSDT');
    tape.take(trade(400, 'ETHUSDT'));
    await until(() => heard.some(({ id }) => id === 400));
    expect(heard.filter(({ id }) => id === 301)).toEqual([]);
  });
});

describe('a message of trades', () => {
  it('comes back as it went', () => {
    const message = { recent: true, trades: [trade(1), trade(2)] };
    expect(decodeTrades('BTCUSDT', encodeTrades(message))).toEqual(message);
  });

  it.each([
    '',
    '{}',
    '[true]',
    '[1,[]]',
    '[true,{}]',
    '[true,[[1,2,3,4,5,6]]]',
    '[true,[[1,2,3,4,5,6,2]]]',
    '[true,[[1,2,3,100000000,5,6,1]]]',
    '[true,[[1,2,1000000000000,4,5,6,1]]]',
    '[true,[[-1,2,3,4,5,6,1]]]',
    '[true,[[1.5,2,3,4,5,6,1]]]',
    '[true,[["1",2,3,4,5,6,1]]]',
    '[true,[null]]',
  ])('is refused as %s', (text) => {
    expect(decodeTrades('BTCUSDT', text)).toBeNull();
  });
});
