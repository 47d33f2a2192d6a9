import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Publisher, Subscriber } from '../../src/bus/bus.js';
import type { HotWindow, MarketEvent, SymbolStatus } from '../../src/market/event.js';
import type { Interval } from '../../src/market/interval.js';
import { TestMarket } from '../gateway/market.js';

export interface BusUnderTest {
  readonly publisher: Publisher;
  readonly subscriber: Subscriber;
  /** Subscribes; resolves when the publisher knows. */
  subscribe(symbol: string, interval: Interval): Promise<void>;
  /** Resolves when everything published so far has been delivered. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

/** An event may come with its frame, which is compared elsewhere. */
function withoutFrame({ frame: _, ...event }: MarketEvent): MarketEvent {
  return event as MarketEvent;
}

/** What every bus keeps to, whatever carries it. `market` is where its windows come from. */
export function busContract(name: string, start: (market: TestMarket) => Promise<BusUnderTest>): void {
  describe(`bus contract: ${name}`, () => {
    let market: TestMarket;
    let under: BusUnderTest;
    let batches: (readonly MarketEvent[])[];
    beforeEach(async () => {
      market = new TestMarket('BTCUSDT');
      market.closeMany(9);
      under = await start(market);
      batches = [];
      under.subscriber.onEvents((events) => batches.push(events.map(withoutFrame)));
    });
    afterEach(() => under.stop());

    const status = (symbol: string, state: SymbolStatus['state']): SymbolStatus => {
      return { symbol, source: 'demo', synthetic: true, state, since: 1, lastTradeTime: null };
    };

    it('delivers a batch in one call, in order, and only what was asked for', async () => {
      await under.subscribe('BTCUSDT', '1m');
      const events = [...market.update(), ...market.close(), ...market.correct(2), ...market.gap(2)];
      under.publisher.publish(events);
      await under.settled();
      expect(batches).toEqual([events.filter((event) => event.interval === '1m')]);
    });

    it('delivers nothing before subscribe and nothing after unsubscribe, and no empty batches', async () => {
      under.publisher.publish(market.close());
      await under.subscribe('BTCUSDT', '5m');
      under.publisher.publish(market.close());
      under.subscriber.unsubscribe('BTCUSDT', '5m');
      under.publisher.publish(market.close());
      await under.settled();
      expect(batches.flat().filter((event) => event.interval === '1m')).toEqual([]);
      expect(batches).not.toContainEqual([]);
    });

    it('asked twice delivers once; one unsubscribe ends it', async () => {
      await under.subscribe('BTCUSDT', '1m');
      await under.subscribe('BTCUSDT', '1m');
      under.publisher.publish(market.close());
      await under.settled();
      expect(batches).toHaveLength(1);
      under.subscriber.unsubscribe('BTCUSDT', '1m');
      under.publisher.publish(market.close());
      await under.settled();
      expect(batches).toHaveLength(1);
    });

    it('has a window that holds what was delivered before it was asked for; none for a symbol nobody has', async () => {
      await under.subscribe('BTCUSDT', '1m');
      under.publisher.publish(market.close());
      await under.settled();
      const window = (await under.subscriber.window('BTCUSDT', '1m')) as HotWindow;
      expect(window).toEqual(await market.windowOf('BTCUSDT', '1m'));
      expect(window.seq).toBeGreaterThanOrEqual(batches.at(-1)?.at(-1)?.seq ?? 0);
      expect(await under.subscriber.window('NOPE', '1m')).toBeNull();
    });

    it('tells the producer what is wanted', async () => {
      await under.subscribe('BTCUSDT', '1m');
      const { publisher } = under;
      expect([publisher.wants('BTCUSDT', '1m'), publisher.wants('BTCUSDT', '5m')]).toEqual([true, false]);
    });

    it('knows where each channel stands; null where nothing is known', async () => {
      const channel = (symbol: string) => ({ symbol, interval: '1m' as const });
      under.publisher.publish(market.close());
      await under.settled();
      const [known, unknown] = await under.subscriber.positions([channel('BTCUSDT'), channel('NOPE')]);
      expect(known).toMatchObject({ epoch: market.epoch, seq: market.seq });
      expect(unknown).toBeNull();
      expect(under.subscriber.up).toBe(true);
    });

    it('lets listeners go', async () => {
      await under.subscribe('BTCUSDT', '1m');
      let heard = 0;
      const stop = under.subscriber.onEvents(() => heard++);
      stop();
      under.publisher.publish(market.close());
      await under.settled();
      expect([heard, batches.length]).toEqual([0, 1]);
    });

    it('keeps the latest status of each symbol, by symbol', async () => {
      const heard: (readonly SymbolStatus[])[] = [];
      const stop = under.subscriber.onStatus((changed) => heard.push(changed));
      under.publisher.publishStatus([status('ETHUSDT', 'starting'), status('BTCUSDT', 'starting')]);
      await under.settled();
      under.publisher.publishStatus([status('ETHUSDT', 'live')]);
      under.publisher.publishStatus([]);
      await under.settled();
      expect(heard.map((changed) => changed.length)).toEqual([2, 1]);
      expect(under.subscriber.statuses()).toEqual([status('BTCUSDT', 'starting'), status('ETHUSDT', 'live')]);
      stop();
      under.publisher.publishStatus([status('BTCUSDT', 'live')]);
      await under.settled();
      expect(heard).toHaveLength(2);
    });
  });
}
