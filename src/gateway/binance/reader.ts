import type { Candle } from '../../market/candle.js';
import type { Interval } from '../../market/interval.js';
import type { DayStats } from '../../market/rolling-day.js';
import { UnknownSymbol } from '../candle-channel.js';
import { HistoryUnavailable } from '../history.js';
import type { Hub } from '../hub.js';
import type { Published } from '../published.js';
import { serve } from '../serve.js';
import type { Source } from '../topic.js';
import type { Days } from './days.js';

/** The same candles that streams are made from, for whoever polls them over HTTP; what is asked for stays in memory for a moment. */
export class Reader {
  constructor(
    readonly hub: Hub,
    readonly days: Days,
  ) {}

  /** What is known without waiting, and is not old; null: `latest` has to be asked, or the store. */
  hot(symbol: string, interval: Interval): Published | null {
    const channel = this.hub.find(symbol, interval);
    if (channel === null || channel.live === null || channel.stale) return null;
    channel.idleSince = this.hub.clock.now();
    return channel.live;
  }

  /** The latest `count` closed candles, or all there are, and the open one. null: no such symbol. Rejects when it cannot be told now. */
  async latest(symbol: string, interval: Interval, count: number): Promise<readonly Candle[] | null> {
    const channel = this.hub.candles(symbol, interval);
    channel.retain();
    let found: readonly Candle[] = [];
    try {
      const wanted = { snapshot: count, atOnce: false, position: null, bound: null };
      await serve(channel, wanted, (_live, { candles, open }) => {
        found = open === null ? candles : [...candles, open];
      });
      requireFresh(channel);
      return found;
    } catch (error) {
      if (error instanceof UnknownSymbol) return null;
      throw error;
    } finally {
      channel.release();
    }
  }

  /** null: no such symbol, or nothing of it yet. Rejects when it cannot be told now. */
  async day(symbol: string): Promise<DayStats | null> {
    const day = this.days.get(symbol);
    try {
      await day.whenLive();
    } catch (error) {
      if (error instanceof UnknownSymbol) return null;
      throw error;
    }
    requireFresh(day);
    return day.stats();
  }
}

/** Over HTTP nobody can be told that it is old. */
function requireFresh({ stale }: Source): void {
  if (stale) throw new HistoryUnavailable('cut off from the source');
}
