import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DemoFeed, HISTORY_MS } from '../../src/feed/demo/demo.js';
import { MARKETS } from '../../src/feed/demo/markets.js';
import { tradesOfMinute } from '../../src/feed/demo/minute.js';
import { FRACTION_UNITS } from '../../src/kit/decimal.js';
import { HOUR_MS, MINUTE_MS } from '../../src/market/interval.js';
import type { Trade } from '../../src/market/trade.js';
import { ManualClock, settle } from './manual-clock.js';
import { bench, storedUpTo } from './recorder.js';

const NOW = Date.UTC(2026, 4, 17, 11, 23, 45, 678);
const FEW = MARKETS.filter((market) => ['LINKDEMO', 'XMRDEMO'].includes(market.symbol));

function generated(symbol: string, from: number, to: number): Trade[] {
  const market = MARKETS.find((item) => item.symbol === symbol);
  if (market === undefined) throw new Error(symbol);
  const trades: Trade[] = [];
  for (let minute = Math.floor(from / MINUTE_MS); minute * MINUTE_MS < to; minute++)
    trades.push(...tradesOfMinute(market, 1, minute).filter((trade) => trade.time >= from && trade.time < to));
  return trades;
}

test('every symbol carries the quote DEMO, and one is quiet enough to have minutes without trades', () => {
  expect(MARKETS.length).toBeGreaterThanOrEqual(6);
  expect(MARKETS.every(({ symbol }) => symbol.endsWith('DEMO'))).toBe(true);
  const quiet = MARKETS.find((market) => market.rate < 0.02);
  if (quiet === undefined) throw new Error('no quiet market');
  const counts = Array.from({ length: 200 }, (_, index) => tradesOfMinute(quiet, 1, 29_600_000 + index).length);
  expect(counts.some((count) => count === 0)).toBe(true);
  expect(counts.some((count) => count > 0)).toBe(true);
});

test('trades ascend in time and id, are unique, positive and on the tick', () => {
  for (const market of MARKETS) {
    const minutes = Array.from({ length: 60 }, (_, index) => 29_600_000 + index);
    const trades = minutes.flatMap((minute) => tradesOfMinute(market, 1, minute));
    const units = (whole: number, fraction: number) => whole * FRACTION_UNITS + fraction;
    expect(trades.filter((t) => t.priceFraction < 0 || t.priceFraction >= FRACTION_UNITS)).toEqual([]);
    expect(trades.filter((t) => t.quantityFraction < 0 || t.quantityFraction >= FRACTION_UNITS)).toEqual([]);
    expect(trades.filter((t) => !(units(t.priceWhole, t.priceFraction) > 0))).toEqual([]);
    expect(trades.filter((t) => units(t.priceWhole, t.priceFraction) % market.tick !== 0)).toEqual([]);
    expect(trades.filter((t) => !(units(t.quantityWhole, t.quantityFraction) > 0))).toEqual([]);
    expect(trades.filter((t) => units(t.quantityWhole, t.quantityFraction) % market.step !== 0)).toEqual([]);
    const pairs = trades.slice(1).map((trade, index) => [trades[index], trade] as const);
    expect(pairs.filter(([a, b]) => a === undefined || b.id <= a.id || b.time < a.time)).toEqual([]);
    expect(
      trades.every((t) => Number.isSafeInteger(t.id) && Math.floor(t.id / 10_000) === Math.floor(t.time / MINUTE_MS)),
    ).toBe(true);
    expect(trades.length).toBeGreaterThan(0);
  }
});

test('another seed is another market', () => {
  const [market] = MARKETS;
  if (market === undefined) throw new Error('no market');
  expect(tradesOfMinute(market, 2, 29_600_000)).not.toEqual(tradesOfMinute(market, 1, 29_600_000));
});

test('history is two days, complete, and meets the live trades without a seam', async () => {
  const clock = new ManualClock(NOW);
  const context = bench(clock);
  const feed = new DemoFeed(1, context, FEW);
  const progress: number[] = [];
  await feed.catchUp((done) => progress.push(done));
  await feed.start();
  await clock.run(NOW + 5 * MINUTE_MS);
  await feed.stop();
  const from = Math.floor((NOW - HISTORY_MS) / HOUR_MS) * HOUR_MS;
  for (const { symbol } of FEW) {
    expect(context.sink.tradesOf(symbol)).toEqual(generated(symbol, from, NOW + 5 * MINUTE_MS));
    expect(context.sink.clocks.get(symbol)).toBe(NOW + 5 * MINUTE_MS);
    expect(context.sink.stateOf(symbol)).toBe('live');
  }
  expect(context.sink.statuses.every((status) => status.synthetic && status.source === 'demo')).toBe(true);
  expect(progress.at(-1)).toBe(1);
  expect(context.sink.gaps).toEqual([]);
  expect(clock.timers).toBe(0);
});

test('however the time is cut, the trades are the same', async () => {
  const stored = { LINKDEMO: storedUpTo(NOW - 2 * MINUTE_MS), XMRDEMO: storedUpTo(NOW - 2 * MINUTE_MS) };
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 400_000 }), { minLength: 1, maxLength: 8 }), async (steps) => {
      const clock = new ManualClock(NOW);
      const context = bench(clock, '', stored);
      const feed = new DemoFeed(1, context, FEW);
      await feed.catchUp(() => {});
      await feed.start();
      for (const step of steps) await clock.jump(clock.now() + step);
      await clock.jump(clock.now() + 25);
      await feed.stop();
      const from = Math.floor((NOW - 62 * MINUTE_MS) / MINUTE_MS) * MINUTE_MS;
      for (const { symbol } of FEW) expect(context.sink.tradesOf(symbol)).toEqual(generated(symbol, from, clock.now()));
    }),
    { numRuns: 40 },
  );
});

test('a trade is never delivered before its time, nor after the clock has passed it', async () => {
  const clock = new ManualClock(NOW);
  const context = bench(clock, '', { LINKDEMO: storedUpTo(NOW), XMRDEMO: storedUpTo(NOW) });
  const feed = new DemoFeed(1, context, FEW);
  await feed.catchUp(() => {});
  const clocks = new Map<string, number>();
  for (const call of context.sink.calls) {
    if (call.call === 'advance') clocks.set(call.symbol, call.time);
    if (call.call !== 'trade') continue;
    expect(call.trade.time).toBeLessThan(NOW);
    expect(call.trade.time).toBeGreaterThanOrEqual(clocks.get(call.trade.symbol) ?? 0);
  }
});

test('after a restart everything from 60 minutes behind the newest closed minute comes again, and nothing before', async () => {
  const last = Math.floor(NOW / MINUTE_MS) * MINUTE_MS - 3 * HOUR_MS;
  const context = bench(new ManualClock(NOW), '', { LINKDEMO: storedUpTo(last), XMRDEMO: storedUpTo(last) });
  await new DemoFeed(1, context, FEW).catchUp(() => {});
  expect(context.sink.tradesOf('LINKDEMO')).toEqual(generated('LINKDEMO', last - HOUR_MS, NOW));
  expect(context.sink.gaps).toEqual([]);
});

test('across an absence longer than its history there is a gap, after the re-delivery and before the history', async () => {
  const last = Math.floor(NOW / MINUTE_MS) * MINUTE_MS - 100 * HOUR_MS;
  const oldest = Math.floor((NOW - HISTORY_MS) / HOUR_MS) * HOUR_MS;
  const context = bench(new ManualClock(NOW), '', { LINKDEMO: storedUpTo(last), XMRDEMO: storedUpTo(last) });
  await new DemoFeed(1, context, FEW).catchUp(() => {});
  expect(context.sink.gaps).toEqual(FEW.map(({ symbol }) => ({ symbol, from: last + MINUTE_MS, to: oldest })));
  expect(context.sink.tradesOf('LINKDEMO')).toEqual([
    ...generated('LINKDEMO', last - HOUR_MS, last + MINUTE_MS),
    ...generated('LINKDEMO', oldest, NOW),
  ]);
  const gapAt = context.sink.calls.findIndex((call) => call.call === 'gap' && call.symbol === 'LINKDEMO');
  const before = context.sink.calls.slice(0, gapAt).filter((call) => call.call === 'trade');
  expect(before.every((call) => call.trade.time < last + MINUTE_MS)).toBe(true);
});

test('while durable storage is behind it waits, and then delivers what it held back', async () => {
  const clock = new ManualClock(NOW);
  const context = bench(clock, '', { LINKDEMO: storedUpTo(NOW - 120_000), XMRDEMO: storedUpTo(NOW - 120_000) });
  const feed = new DemoFeed(1, context, FEW);
  await feed.catchUp(() => {});
  await feed.start();
  let open = (): void => {};
  context.sink.gate = new Promise((resolve) => {
    open = resolve;
  });
  const held = context.sink.calls.length;
  await clock.run(NOW + MINUTE_MS);
  expect(context.sink.calls.length).toBe(held);
  open();
  await settle();
  await feed.stop();
  const from = Math.floor((NOW - 62 * MINUTE_MS) / MINUTE_MS) * MINUTE_MS;
  expect(context.sink.tradesOf('LINKDEMO')).toEqual(generated('LINKDEMO', from, NOW + MINUTE_MS));
});
