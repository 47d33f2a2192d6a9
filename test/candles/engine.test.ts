import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CandleEngine } from '../../src/candles/engine.js';
import { parseDecimal } from '../../src/kit/decimal.js';
import type { Candle } from '../../src/market/candle.js';
import type { MarketEvent } from '../../src/market/event.js';
import { bucketEnd, INTERVALS, type Interval, MINUTE_MS } from '../../src/market/interval.js';
import type { Trade } from '../../src/market/trade.js';
import { essence, LONGER_INTERVALS, type ReferenceCandle, referenceMinutes, referenceRoll } from './reference.js';

const GRACE_MS = 2000;
const SYMBOL = 'XRPETH';

function fixture(name: string): string[][] {
  const path = new URL(`../fixtures/${name}`, import.meta.url);
  return gunzipSync(readFileSync(path))
    .toString()
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(','));
}

function trade(id: number, time: number, price: string, quantity: string, side = 'buy'): Trade {
  const p = parseDecimal(price);
  const q = parseDecimal(quantity);
  if (p === null || q === null) throw new Error(`not a decimal: ${price} ${quantity}`);
  return {
    symbol: SYMBOL,
    id,
    time,
    priceWhole: p.whole,
    priceFraction: p.fraction,
    quantityWhole: q.whole,
    quantityFraction: q.fraction,
    takerSide: side === 'buy' ? 'buy' : 'sell',
  };
}

function realTrades(): Trade[] {
  return fixture('binance-XRPETH-trades.csv.gz').map(([id = '', time = '', price = '', quantity = '', side = '']) =>
    trade(Number(id), Number(time), price, quantity, side),
  );
}

/** Folds with the trades' event time as the clock, and closes what is open at the end. */
function run(trades: readonly Trade[], engine = new CandleEngine(GRACE_MS, 1)): MarketEvent[] {
  const events: MarketEvent[] = [];
  let clock = 0;
  for (const item of trades) {
    if (item.time > clock) {
      clock = item.time;
      engine.advance(SYMBOL, clock);
    }
    engine.apply(item);
    events.push(...engine.takeEvents());
  }
  engine.advance(SYMBOL, bucketEnd('1m', clock - (clock % MINUTE_MS)) + GRACE_MS);
  events.push(...engine.takeEvents());
  return events;
}

/** The last word on every closed candle of an interval. */
function final(events: readonly MarketEvent[], interval: Interval): Candle[] {
  const candles = new Map<number, Candle>();
  for (const event of events) {
    if (event.kind === 'closed' && event.interval === interval) candles.set(event.candle.openTime, event.candle);
  }
  return [...candles.values()].sort((a, b) => a.openTime - b.openTime);
}

/** Closed longer candles of the reference: those that ended with the last minute or before. */
function referenceClosed(minutes: readonly ReferenceCandle[], interval: Interval): ReferenceCandle[] {
  const end = (minutes.at(-1)?.openTime ?? 0) + MINUTE_MS;
  return referenceRoll(minutes, interval).filter((candle) => bucketEnd(interval, candle.openTime) <= end);
}

function checkPositions(events: readonly MarketEvent[]): void {
  for (const interval of INTERVALS) {
    let last = 0;
    for (const event of events) {
      if (event.interval !== interval || event.kind === 'update') continue;
      expect(event.prev).toBe(last);
      expect(event.seq).toBeGreaterThan(last);
      last = event.seq;
    }
  }
}

/** Trades over a few hours around a month's end, with quiet stretches, equal times and large and small decimals. */
const START = Date.UTC(2024, 1, 29, 21, 57);
const tradesArbitrary = fc
  .array(
    fc.record({
      wait: fc.oneof(
        { weight: 6, arbitrary: fc.integer({ min: 0, max: 20_000 }) },
        { weight: 2, arbitrary: fc.constant(0) },
        { weight: 1, arbitrary: fc.integer({ min: 60_000, max: 2_400_000 }) },
      ),
      skip: fc.integer({ min: 1, max: 3 }),
      price: fc.integer({ min: 1, max: 999_999_999_999 }),
      quantity: fc.oneof(fc.integer({ min: 1, max: 999_999_999 }), fc.integer({ min: 1, max: 9_000_000_000_000_00 })),
      side: fc.constantFrom('buy', 'sell'),
    }),
    { minLength: 1, maxLength: 150 },
  )
  .map((steps) => {
    let time = START;
    let id = 1000;
    return steps.map((step) => {
      time += step.wait;
      id += step.skip;
      return trade(id, time, units(step.price), units(step.quantity), step.side);
    });
  });

function units(value: number): string {
  const digits = String(value).padStart(9, '0');
  return `${digits.slice(0, -8)}.${digits.slice(-8)}`;
}

/** Moves every trade by less than the grace in arrival, and sends some again. */
function disturb(trades: readonly Trade[], seed: readonly number[]): Trade[] {
  const arrivals = trades.map((item, i) => ({ item, at: item.time + (seed[i % seed.length] ?? 0) }));
  const again = arrivals
    .filter((_, i) => (seed[i % seed.length] ?? 0) % 3 === 0)
    .map(({ item, at }) => ({ item, at: at + 1 }));
  return [...arrivals, ...again].sort((a, b) => a.at - b.at).map(({ item }) => item);
}

describe('the real trades', () => {
  const trades = realTrades();
  const klines = fixture('binance-XRPETH-klines-1m.csv.gz');

  it('give the exchange its own one-minute klines, digit for digit', () => {
    const events = run(trades);
    const ours = final(events, '1m').map((c) => [String(c.openTime), c.open, c.high, c.low, c.close, c.volume]);
    expect(klines).toHaveLength(3560);
    expect(ours).toEqual(klines);
    checkPositions(events);
  });

  it('give longer candles that are the fold of the minutes', () => {
    const events = run(trades);
    const minutes = referenceMinutes(trades);
    for (const interval of LONGER_INTERVALS) {
      expect(final(events, interval).map(essence), interval).toEqual(referenceClosed(minutes, interval));
    }
  });
});

describe('any arrival within the grace', () => {
  it('gives the same candles, each closed once, at every interval', () => {
    fc.assert(
      fc.property(
        tradesArbitrary,
        fc.array(fc.nat({ max: GRACE_MS - 2 }), { minLength: 1, maxLength: 20 }),
        (trades, seed) => {
          const events = run(disturb(trades, seed));
          const minutes = referenceMinutes(trades);
          expect(final(events, '1m').map(essence)).toEqual(minutes);
          expect(events.every((event) => event.kind === 'closed' && event.candle.revision === 0)).toBe(true);
          for (const interval of LONGER_INTERVALS) {
            expect(final(events, interval).map(essence), interval).toEqual(referenceClosed(minutes, interval));
          }
          checkPositions(events);
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('trades after the close', () => {
  it('correct their minute, the flat minutes after it and every longer candle', () => {
    fc.assert(
      fc.property(
        tradesArbitrary,
        fc.array(fc.nat({ max: 40 * MINUTE_MS }), { minLength: 1, maxLength: 20 }),
        (trades, seed) => {
          const [first, ...rest] = trades;
          if (first === undefined) return;
          const late = [first, ...disturb(rest, seed)];
          const events = run(late);
          const minutes = referenceMinutes(trades);
          expect(final(events, '1m').map(essence)).toEqual(minutes);
          for (const interval of LONGER_INTERVALS) {
            expect(final(events, interval).map(essence), interval).toEqual(referenceClosed(minutes, interval));
          }
          checkPositions(events);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('count revisions from 0, one a batch', () => {
    const engine = new CandleEngine(GRACE_MS, 1);
    const at = START - (START % MINUTE_MS);
    engine.apply(trade(1, at, '1', '1'));
    engine.advance(SYMBOL, at + MINUTE_MS + GRACE_MS);
    engine.takeEvents();
    engine.apply(trade(2, at + 1, '3', '1'));
    engine.apply(trade(3, at + 2, '2', '1'));
    const [event] = engine.takeEvents();
    expect(event).toMatchObject({
      kind: 'closed',
      interval: '1m',
      candle: { revision: 1, trades: 3, close: '2.00000000' },
    });
  });

  it('are refused an hour later, and duplicates never count', () => {
    const engine = new CandleEngine(GRACE_MS, 1);
    const at = START - (START % MINUTE_MS);
    engine.apply(trade(1, at, '1', '1'));
    engine.advance(SYMBOL, at + 61 * MINUTE_MS + GRACE_MS);
    expect(engine.apply(trade(2, at + 1, '1', '1'))).toBe('too_late');
    engine.apply(trade(5, at + 61 * MINUTE_MS, '1', '1'));
    expect(engine.apply(trade(5, at + 61 * MINUTE_MS, '1', '1'))).toBe('duplicate');
  });
});

describe('a correction in the turn in which its hour closes', () => {
  it('is in the hour when that closes, once', () => {
    const engine = new CandleEngine(GRACE_MS, 1);
    const at = Date.UTC(2024, 0, 1, 10, 58);
    engine.apply(trade(1, at, '5', '1'));
    engine.advance(SYMBOL, at + MINUTE_MS + GRACE_MS);
    engine.takeEvents();
    engine.apply(trade(2, at + 1000, '9', '1'));
    engine.advance(SYMBOL, at + 2 * MINUTE_MS + GRACE_MS);
    const hours = engine.takeEvents().filter((event) => event.interval === '1h');
    expect(hours).toHaveLength(1);
    expect(hours[0]).toMatchObject({ kind: 'closed', candle: { high: '9.00000000', trades: 2, revision: 1 } });
  });
});

describe('sums beyond DECIMAL(20,8)', () => {
  it('are refused and change nothing', () => {
    const engine = new CandleEngine(GRACE_MS, 1);
    engine.apply(trade(1, START, '1', '999999999998'));
    expect(engine.apply(trade(2, START, '1', '2'))).toBe('overflow');
    expect(engine.open(SYMBOL, '1m')).toMatchObject({ volume: '999999999998.00000000', trades: 1 });
  });
});

describe('a clock without trades', () => {
  it('closes minutes after the grace, flat ones at the last close, and nothing before the first trade', () => {
    const engine = new CandleEngine(GRACE_MS, 1);
    const at = START - (START % MINUTE_MS);
    engine.advance(SYMBOL, at + 10 * MINUTE_MS);
    expect(engine.takeEvents()).toEqual([]);
    engine.apply(trade(1, at + 10 * MINUTE_MS, '7', '2'));
    engine.advance(SYMBOL, at + 11 * MINUTE_MS + GRACE_MS - 1);
    expect(engine.takeEvents()).toEqual([]);
    engine.advance(SYMBOL, at + 12 * MINUTE_MS + GRACE_MS);
    const closed = final(engine.takeEvents(), '1m');
    expect(closed.map((candle) => [candle.open, candle.close, candle.volume, candle.trades])).toEqual([
      ['7.00000000', '7.00000000', '2.00000000', 1],
      ['7.00000000', '7.00000000', '0.00000000', 0],
    ]);
    expect(closed[1]?.firstTradeId).toBeNull();
  });
});

describe('an outage', () => {
  const at = Date.UTC(2024, 0, 1, 10, 0);
  function outage(): MarketEvent[] {
    const engine = new CandleEngine(GRACE_MS, 1);
    engine.apply(trade(1, at + 1000, '5', '1'));
    engine.apply(trade(2, at + 30 * MINUTE_MS, '6', '1'));
    engine.gap(SYMBOL, at + 30 * MINUTE_MS + 20_000, at + 90 * MINUTE_MS + 5000, 'feed away');
    engine.apply(trade(3, at + 90 * MINUTE_MS + 6000, '9', '1'));
    engine.advance(SYMBOL, at + 91 * MINUTE_MS + GRACE_MS);
    return engine.takeEvents();
  }

  it('invents nothing and is announced before what follows', () => {
    const base = outage().filter((event) => event.interval === '1m');
    const opens = base.map((event) => (event.kind === 'closed' ? event.candle.openTime : event.kind));
    const minutes = Array.from({ length: 31 }, (_, i) => at + i * MINUTE_MS);
    expect(opens).toEqual([...minutes, 'gap', at + 90 * MINUTE_MS]);
  });

  it('leaves out the minute it begins in where that has no trades, and closes whole ones before it flat', () => {
    const engine = new CandleEngine(GRACE_MS, 1);
    engine.apply(trade(1, at, '5', '1'));
    engine.gap(SYMBOL, at + 2 * MINUTE_MS + 20_000, at + 5 * MINUTE_MS + 1, 'feed away');
    engine.apply(trade(2, at + 5 * MINUTE_MS + 2, '6', '1'));
    engine.advance(SYMBOL, at + 6 * MINUTE_MS + GRACE_MS);
    const opens = final(engine.takeEvents(), '1m').map((candle) => (candle.openTime - at) / MINUTE_MS);
    expect(opens).toEqual([0, 1, 5]);
  });

  it('closes the longer candle that it cut', () => {
    const events = outage();
    checkPositions(events);
    expect(final(events, '1h').map((candle) => [candle.openTime, candle.close, candle.trades])).toEqual([
      [at, '6.00000000', 2],
    ]);
  });
});

describe('an outage that begins where longer candles have just ended', () => {
  it('closes none of them again', () => {
    const at = Date.UTC(2024, 0, 1, 10, 0);
    const engine = new CandleEngine(GRACE_MS, 1);
    for (let minute = 0; minute < 15; minute++) engine.apply(trade(minute + 1, at + minute * MINUTE_MS, '5', '1'));
    engine.advance(SYMBOL, at + 15 * MINUTE_MS + GRACE_MS);
    engine.gap(SYMBOL, at + 15 * MINUTE_MS, at + 3000 * MINUTE_MS, 'feed away');
    engine.apply(trade(100, at + 3000 * MINUTE_MS, '6', '1'));
    const opens = (interval: Interval) =>
      engine
        .takeEvents()
        .flatMap((event) => (event.kind === 'closed' && event.interval === interval ? [event.candle.openTime] : []));
    expect(opens('5m')).toEqual([0, 5, 10].map((minute) => at + minute * MINUTE_MS));
  });
});

describe('a restart', () => {
  /** What a store would give back of the durable events so far. */
  function stored(events: readonly MarketEvent[]) {
    const minutes = final(events, '1m');
    return {
      minutes: minutes.slice(-130),
      hours: final(events, '1h').slice(-49),
      days: final(events, '1d').slice(-63),
      gaps: events.flatMap((event) => (event.kind === 'gap' && event.interval === '1m' ? [event.gap] : [])),
      lastSeq: Math.max(0, ...minutes.map((candle) => candle.seq)),
      foldFrom: (minutes.at(-1)?.openTime ?? 0) - 60 * MINUTE_MS,
    };
  }

  it('anywhere, with everything from the resume point delivered again, changes nothing and doubles nothing', () => {
    fc.assert(
      fc.property(
        tradesArbitrary,
        fc.array(fc.nat({ max: 30 * MINUTE_MS }), { minLength: 1, maxLength: 10 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (trades, seed, where) => {
          const [first, ...rest] = trades;
          if (first === undefined) return;
          const arrivals = [first, ...disturb(rest, seed)];
          const cut = Math.floor(where * arrivals.length);
          const engine = new CandleEngine(GRACE_MS, 1);
          const before: MarketEvent[] = [];
          let clock = 0;
          for (const item of arrivals.slice(0, cut)) {
            clock = Math.max(clock, item.time);
            engine.advance(SYMBOL, clock);
            engine.apply(item);
            before.push(...engine.takeEvents());
          }
          const state = stored(before);
          const again = new CandleEngine(GRACE_MS, 1);
          if (state.minutes.length > 0) again.restore(SYMBOL, state, state.foldFrom);
          const after = run(
            state.minutes.length > 0 ? arrivals.filter((item) => item.time >= state.foldFrom) : arrivals,
            again,
          );
          const minutes = referenceMinutes(trades);
          expect(final([...before, ...after], '1m').map(essence)).toEqual(minutes);
          for (const interval of LONGER_INTERVALS) {
            expect(final([...before, ...after], interval).map(essence), interval).toEqual(
              referenceClosed(minutes, interval),
            );
          }
          const sent = new Map(
            before.flatMap((event) =>
              event.kind === 'closed' && event.interval === '1m'
                ? [[`${event.candle.openTime}/${event.candle.revision}`, event.candle] as const]
                : [],
            ),
          );
          for (const event of after) {
            if (event.kind === 'closed' && event.interval === '1m') {
              expect(sent.has(`${event.candle.openTime}/${event.candle.revision}`)).toBe(false);
            }
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('a restart behind an outage', () => {
  const at = Date.UTC(2024, 0, 1, 10, 0);
  const away = [at + 2 * MINUTE_MS + 1000, at + 6 * MINUTE_MS + 1000] as const;
  function feed(engine: CandleEngine): MarketEvent[] {
    engine.apply(trade(1, at, '5', '1'));
    engine.apply(trade(2, at + 2 * MINUTE_MS, '5', '1'));
    engine.gap(SYMBOL, ...away, 'feed away');
    engine.apply(trade(3, at + 6 * MINUTE_MS + 2000, '6', '1'));
    engine.advance(SYMBOL, at + 7 * MINUTE_MS + GRACE_MS);
    return engine.takeEvents();
  }
  function state(events: readonly MarketEvent[]) {
    const minutes = final(events, '1m');
    const gaps = events.flatMap((event) => (event.kind === 'gap' && event.interval === '1m' ? [event.gap] : []));
    const lastSeq = Math.max(...events.map((event) => event.seq));
    return { minutes, hours: [], days: [], gaps, lastSeq };
  }

  it('says nothing twice when the feed delivers the outage again', () => {
    const stored = state(feed(new CandleEngine(GRACE_MS, 1)));
    const engine = new CandleEngine(GRACE_MS, 1);
    engine.restore(SYMBOL, stored, at - 53 * MINUTE_MS);
    expect(feed(engine)).toEqual([]);
  });

  it('invents nothing in it when the feed delivers only the trades again', () => {
    const events = feed(new CandleEngine(GRACE_MS, 1));
    const stored = state(events);
    const cut = { ...stored, minutes: stored.minutes.filter((candle) => candle.openTime < away[0]) };
    const engine = new CandleEngine(GRACE_MS, 1);
    engine.restore(SYMBOL, cut, at - 57 * MINUTE_MS);
    engine.apply(trade(1, at, '5', '1'));
    engine.apply(trade(2, at + 2 * MINUTE_MS, '5', '1'));
    engine.apply(trade(3, at + 6 * MINUTE_MS + 2000, '6', '1'));
    engine.advance(SYMBOL, at + 7 * MINUTE_MS + GRACE_MS);
    const opens = final(engine.takeEvents(), '1m').map((candle) => (candle.openTime - at) / MINUTE_MS);
    expect(opens).toEqual([6]);
  });

  it('corrects what was stored with fewer trades than the feed has now', () => {
    const stored = state(feed(new CandleEngine(GRACE_MS, 1)));
    const engine = new CandleEngine(GRACE_MS, 1);
    engine.restore(SYMBOL, stored, at - 53 * MINUTE_MS);
    engine.apply(trade(9, at + 5, '8', '1'));
    const [first] = feed(engine);
    expect(first).toMatchObject({ kind: 'closed', interval: '1m', candle: { openTime: at, revision: 1, trades: 2 } });
    expect(first?.seq).toBeGreaterThan(stored.lastSeq);
  });
});

describe('windows', () => {
  it('hold the latest closed candles and the open one, as published', () => {
    const trades = realTrades().slice(0, 6000);
    const engine = new CandleEngine(GRACE_MS, 1);
    const events: MarketEvent[] = [];
    for (const item of trades) {
      engine.advance(SYMBOL, item.time);
      engine.apply(item);
      events.push(...engine.takeEvents());
    }
    for (const interval of INTERVALS) {
      const window = engine.window(SYMBOL, interval);
      const closed = final(events, interval);
      expect(window?.closed, interval).toEqual(closed.slice(-(window?.closed.length ?? 0) || closed.length));
      expect(window?.seq).toBe(closed.at(-1)?.seq ?? 0);
      if (interval !== '1m') expect(window?.open?.interval).toBe(interval);
    }
    expect(engine.window(SYMBOL, '1m')?.closed.length).toBeGreaterThan(120);
    expect(engine.window(SYMBOL, '4h')?.closed.length).toBeGreaterThan(3);
  });
});
