import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Bus } from '../../src/bus/bus.js';
import type { HotWindow, MarketEvent, SymbolStatus } from '../../src/market/event.js';
import { TestMarket } from '../gateway/market.js';

export interface BusUnderTest {
  readonly bus: Bus;
  /** Resolves when everything published so far has been delivered. */
  settled(): Promise<void>;
  stop(): Promise<void>;
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
      under.bus.onEvents((events) => batches.push(events));
    });
    afterEach(() => under.stop());

    const status = (symbol: string, state: SymbolStatus['state']): SymbolStatus => {
      return { symbol, source: 'demo', synthetic: true, state, since: 1, lastTradeTime: null };
    };

    it('delivers a batch in one call, in order, and only what was asked for', async () => {
      await under.bus.subscribe('BTCUSDT', '1m');
      const events = [...market.update(), ...market.close(), ...market.correct(2), ...market.gap(2)];
      under.bus.publish(events);
      await under.settled();
      expect(batches).toEqual([events.filter((event) => event.interval === '1m')]);
    });

    it('delivers nothing before subscribe and nothing after unsubscribe, and no empty batches', async () => {
      under.bus.publish(market.close());
      await under.bus.subscribe('BTCUSDT', '5m');
      under.bus.publish(market.close());
      under.bus.unsubscribe('BTCUSDT', '5m');
      under.bus.publish(market.close());
      await under.settled();
      expect(batches.flat().filter((event) => event.interval === '1m')).toEqual([]);
      expect(batches).not.toContainEqual([]);
    });

    it('asked twice delivers once; one unsubscribe ends it', async () => {
      await under.bus.subscribe('BTCUSDT', '1m');
      await under.bus.subscribe('BTCUSDT', '1m');
      under.bus.publish(market.close());
      await under.settled();
      expect(batches).toHaveLength(1);
      under.bus.unsubscribe('BTCUSDT', '1m');
      under.bus.publish(market.close());
      await under.settled();
      expect(batches).toHaveLength(1);
    });

    it('has a window that holds what was delivered before it was asked for; none for a symbol nobody has', async () => {
      await under.bus.subscribe('BTCUSDT', '1m');
      under.bus.publish(market.close());
      await under.settled();
      const window = (await under.bus.window('BTCUSDT', '1m')) as HotWindow;
      expect(window).toEqual(await market.windowOf('BTCUSDT', '1m'));
      expect(window.seq).toBeGreaterThanOrEqual(batches.at(-1)?.at(-1)?.seq ?? 0);
      expect(await under.bus.window('NOPE', '1m')).toBeNull();
    });

    it('lets listeners go', async () => {
      await under.bus.subscribe('BTCUSDT', '1m');
      let heard = 0;
      const stop = under.bus.onEvents(() => heard++);
      stop();
      under.bus.publish(market.close());
      await under.settled();
      expect([heard, batches.length]).toEqual([0, 1]);
    });

    it('keeps the latest status of each symbol, by symbol', async () => {
      const heard: (readonly SymbolStatus[])[] = [];
      const stop = under.bus.onStatus((changed) => heard.push(changed));
      under.bus.publishStatus([status('ETHUSDT', 'starting'), status('BTCUSDT', 'starting')]);
      under.bus.publishStatus([status('ETHUSDT', 'live')]);
      under.bus.publishStatus([]);
      await under.settled();
      expect(heard.map((changed) => changed.length)).toEqual([2, 1]);
      expect(under.bus.statuses()).toEqual([status('BTCUSDT', 'starting'), status('ETHUSDT', 'live')]);
      stop();
      under.bus.publishStatus([status('BTCUSDT', 'live')]);
      await under.settled();
      expect(heard).toHaveLength(2);
    });
  });
}
