import type { Subscriber } from '../bus/bus.js';
import type { Candle } from '../market/candle.js';
import type { MarketEvent } from '../market/event.js';
import type { ClosedCandles, ClosedEvent, GapEvent } from '../signals/rules/closed-candles.js';
import type { CandleRange, MarketView } from './market-view.js';

/** Closed candles for the rules, live from the bus and whole from the market view. */
export function closedCandles(subscriber: Subscriber, view: MarketView): ClosedCandles {
  const read = async (symbol: string, interval: Candle['interval'], range: CandleRange): Promise<readonly Candle[]> =>
    (await view.query(symbol, interval, range)).candles.filter(({ closed }) => closed);
  return {
    follow: ({ symbol, interval }) => subscriber.subscribe(symbol, interval),
    unfollow: ({ symbol, interval }) => subscriber.unsubscribe(symbol, interval),
    onEvents: (listener) =>
      subscriber.onEvents((events) => {
        const durable = events.flatMap(toDurable);
        if (durable.length > 0) listener(durable);
      }),
    positions: async (series) => (await subscriber.positions(series)).map((position) => position?.seq ?? null),
    before: ({ symbol, interval }, beforeMs, limit) => read(symbol, interval, { to: beforeMs, limit }),
    since: ({ symbol, interval }, fromMs, limit) => read(symbol, interval, { from: fromMs, limit }),
  };
}

function toDurable(event: MarketEvent): (ClosedEvent | GapEvent)[] {
  const { symbol, interval, seq } = event;
  if (event.kind === 'update') return [];
  if (event.kind === 'closed') return [{ candle: event.candle, prev: event.prev }];
  return [{ symbol, interval, seq, prev: event.prev }];
}
