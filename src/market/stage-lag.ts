import { DurationHistogram } from '../kit/histogram.js';
import type { MarketEvent } from './event.js';
import { bucketEnd, HOUR_MS } from './interval.js';

/** Older than this is history that is delivered again, or a replay of it: no lag. */
const HISTORY_MS = HOUR_MS;

/** How far behind the market candles are at one stage of their way, by the clock of the machine it is on. */
export class StageLag {
  /** Of updates: since the exchange's time of the newest trade in them. */
  readonly update = new DurationHistogram();
  /** Of minutes that close: since their end. The lateness grace is a part of it. */
  readonly close = new DurationHistogram();

  note(event: MarketEvent, nowMs: number): void {
    if (event.kind === 'update') {
      const { lastTradeTime } = event.candle;
      if (lastTradeTime !== null) count(this.update, nowMs - lastTradeTime);
    } else if (event.kind === 'closed' && event.interval === '1m' && event.candle.revision === 0) {
      count(this.close, nowMs - bucketEnd('1m', event.candle.openTime));
    }
  }

  /** One single trade. */
  noteTrade(timeMs: number, nowMs: number): void {
    count(this.update, nowMs - timeMs);
  }
}

function count(histogram: DurationHistogram, lagMs: number): void {
  if (lagMs < HISTORY_MS) histogram.observe(lagMs);
}
