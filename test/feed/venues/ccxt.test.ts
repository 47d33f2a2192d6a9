import { expect, test } from 'vitest';
import type { FeedContext, ResumePoint } from '../../../src/feed/feed.js';
import { CcxtFeed } from '../../../src/feed/venues/ccxt-feed.js';
import { type CcxtExchange, loadCcxt } from '../../../src/feed/venues/ccxt-load.js';
import { CcxtIds, fromCcxt } from '../../../src/feed/venues/ccxt-trade.js';
import { UserError } from '../../../src/kit/errors.js';
import { ManualClock } from '../manual-clock.js';
import { bench } from '../recorder.js';

const NOW = Date.UTC(2024, 2, 5, 9, 0, 20);

const trade = (id: string, time: number | undefined, price = '1.5') => ({
  id,
  timestamp: time,
  symbol: 'BTC/USDT',
  side: 'buy',
  price,
  amount: '0.1',
});

/** An exchange as ccxt presents it, whose stream and REST a test decides. */
class Scripted implements CcxtExchange {
  readonly has = {};
  known: ReturnType<typeof trade>[] = [];
  refuse = false;
  #waiting: ((list: unknown[]) => void)[] = [];
  closed = false;

  async loadMarkets() {
    return {};
  }

  watchTrades(): Promise<unknown[]> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  stream(...trades: ReturnType<typeof trade>[]): void {
    for (const resolve of this.#waiting.splice(0)) resolve(trades);
  }

  async fetchTrades(_symbol: string, since = 0, limit = 1000) {
    if (this.refuse) throw new Error('no network');
    return this.known.filter(({ timestamp = since }) => timestamp >= since).slice(0, limit);
  }

  async close() {
    this.closed = true;
  }
}

async function opened(exchange: Scripted, stored: Record<string, ResumePoint> = {}) {
  const clock = new ManualClock(NOW);
  const context = bench(clock, '', stored);
  const source = { exchange: 'okx', natives: ['BTC/USDT'], suffix: '' };
  const feed = new CcxtFeed(source, () => exchange, context satisfies FeedContext);
  void feed.catchUp(() => {});
  await clock.run(NOW + 1000);
  return { clock, context, feed };
}

test('a minute closes when REST has told all of its trades, also those that the stream lost', async () => {
  const exchange = new Scripted();
  exchange.known = [trade('1', NOW - 90_000), trade('2', NOW - 10_000)];
  const { clock, context, feed } = await opened(exchange);
  exchange.stream(trade('4', NOW + 5000));
  await clock.run(NOW + 20_000);
  expect([...new Set(context.sink.trades.map(({ id }) => id))]).toEqual([2, 4]);
  exchange.known.push(trade('3', NOW + 3000), trade('4', NOW + 5000), trade('5', NOW + 39_000));
  await clock.run(NOW + 41_000);
  expect(context.sink.clocks.get('BTC-USDT')).toBeLessThan(NOW + 42_000);
  await clock.run(NOW + 60_000);
  expect([...new Set(context.sink.trades.map(({ id }) => id))].sort()).toEqual([2, 3, 4, 5]);
  expect(context.sink.clocks.get('BTC-USDT')).toBeGreaterThanOrEqual(NOW + 42_000);
  expect(context.sink.gaps).toEqual([]);
  expect(context.sink.stateOf('BTC-USDT')).toBe('live');
  await feed.stop();
  expect(exchange.closed).toBe(true);
});

test('an answer that does not reach back to what was known is a gap', async () => {
  const exchange = new Scripted();
  exchange.known = [trade('1', NOW - 90_000), trade('2', NOW - 10_000)];
  const { clock, context, feed } = await opened(exchange);
  exchange.known = [trade('900', NOW + 30_000)];
  await clock.run(NOW + 60_000);
  expect(context.sink.gaps).toEqual([{ symbol: 'BTC-USDT', from: NOW - 10_000, to: NOW + 30_001 }]);
  await feed.stop();
});

test('while REST is away nothing closes; after a minute a gap is announced, since trades stream on', async () => {
  const exchange = new Scripted();
  exchange.known = [trade('1', NOW - 90_000), trade('2', NOW - 10_000)];
  const { clock, context, feed } = await opened(exchange);
  exchange.refuse = true;
  exchange.stream(trade('3', NOW + 20_000));
  await clock.run(NOW + 80_000);
  expect(context.sink.clocks.get('BTC-USDT')).toBeLessThan(NOW + 42_000);
  await clock.run(NOW + 150_000);
  expect(context.sink.gaps.length).toBeGreaterThanOrEqual(1);
  expect(context.sink.gaps[0]?.from).toBeLessThan(NOW + 40_000);
  await feed.stop();
});

/** More decimals than a price may have. */
const FINE = '1.123456789';
const MINUTE_END = NOW + 40_000;

/** Place among the calls of the gap from `from`, and of the first advance that closes the minute of NOW. */
function order({ sink }: Awaited<ReturnType<typeof opened>>['context'], from: number) {
  const gap = sink.calls.findIndex((call) => call.call === 'gap' && call.from === from);
  const close = sink.calls.findIndex((call) => call.call === 'advance' && call.time >= MINUTE_END + 2000);
  return { gap, close };
}

test('a trade of REST that cannot be read is a gap in its minute, announced once and before the minute closes', async () => {
  const exchange = new Scripted();
  exchange.known = [trade('1', NOW - 90_000), trade('2', NOW - 10_000)];
  const { clock, context, feed } = await opened(exchange);
  exchange.known.push(
    trade('3', NOW + 5000, FINE),
    trade('4', NOW + 6000),
    trade('5', NOW + 7000, FINE),
    trade('6', NOW + 39_000),
  );
  await clock.run(NOW + 200_000);
  expect(context.sink.gaps).toEqual([{ symbol: 'BTC-USDT', from: NOW + 5000, to: MINUTE_END }]);
  const { gap, close } = order(context, NOW + 5000);
  expect(close).toBeGreaterThan(gap);
  expect([...new Set(context.sink.trades.map(({ id }) => id))]).toEqual([2, 4, 6]);
  expect([...feed.quarantine.counts]).toEqual([['bad_price', 2]]);
  await feed.stop();
});

test('where none can be read, nothing closes without a gap, and what comes after them is still reached', async () => {
  const exchange = new Scripted();
  exchange.known = [trade('2', NOW - 10_000)];
  const { clock, context, feed } = await opened(exchange);
  const unreadable = Array.from({ length: 1500 }, (_, i) => trade(String(3 + i), NOW + 2000 + 10 * i, FINE));
  exchange.known.push(...unreadable, trade('1503', NOW + 30_000));
  await clock.run(NOW + 100_000);
  const { gap, close } = order(context, NOW + 2000);
  expect(gap).toBeGreaterThanOrEqual(0);
  expect(close).toBeGreaterThan(gap);
  expect([...new Set(context.sink.trades.map(({ id }) => id))]).toEqual([2, 1503]);
  expect(context.sink.gaps).toEqual([{ symbol: 'BTC-USDT', from: NOW + 2000, to: MINUTE_END }]);
  await feed.stop();
});

test('one without a time is a gap of all that was asked for', async () => {
  const exchange = new Scripted();
  exchange.known = [trade('1', NOW - 90_000), trade('2', NOW - 10_000)];
  const { clock, context, feed } = await opened(exchange);
  exchange.known.push(trade('3', NOW + 5000), trade('4', undefined));
  await clock.run(NOW + 200_000);
  expect(context.sink.gaps).toHaveLength(1);
  const [{ from, to } = { from: 0, to: 0 }] = context.sink.gaps;
  expect(from).toBe(NOW - 10_000);
  expect(to).toBeGreaterThanOrEqual(MINUTE_END);
  const { gap, close } = order(context, from);
  expect(close).toBeGreaterThan(gap);
  expect(context.sink.trades.map(({ id }) => id)).toContain(3);
  await feed.stop();
});

test('it begins after what is stored', async () => {
  const exchange = new Scripted();
  const end = NOW - 20_000 - 120_000;
  exchange.known = [trade('1', end - 5000), trade('2', end + 1000), trade('3', NOW - 1000)];
  const stored = { 'BTC-USDT': { lastOpenTime: end - 60_000, lastClosedEnd: end } };
  const { context, feed } = await opened(exchange, stored);
  expect(context.sink.trades.map(({ id }) => id)).toContain(2);
  expect(context.sink.trades.map(({ id }) => id)).not.toContain(1);
  expect(context.sink.gaps).toEqual([]);
  await feed.stop();
});

test('ids that are no safe integers become the time and a place in it, the same each time', () => {
  const ids = new CcxtIds();
  const a = fromCcxt(trade('f3b1-aa', NOW), ids);
  const b = fromCcxt(trade('f3b1-bb', NOW), ids);
  expect(Number(b.id)).toBe(Number(a.id) + 1);
  expect(Number.isSafeInteger(Number(b.id))).toBe(true);
  expect(fromCcxt(trade('f3b1-aa', NOW), ids).id).toBe(a.id);
  expect(fromCcxt(trade('12345678901234567890', NOW), ids).id).toBe(String(Number(b.id) + 1));
  expect(fromCcxt(trade('77', NOW), ids).id).toBe('77');
  expect(fromCcxt(null, ids).id).toBe('');
});

test('the real package: prices stay text, and an exchange that it does not have is named', async () => {
  const open = await loadCcxt('okx');
  const exchange = open();
  expect(exchange).toMatchObject({ number: String, newUpdates: true, enableRateLimit: true });
  await exchange.close();
  await expect(loadCcxt('nasdaq')).rejects.toThrow(UserError);
});

test('without the package the operator is told to install it', async () => {
  await expect(loadCcxt('okx', 'ccxt-that-is-not-installed')).rejects.toThrow(/npm install ccxt/);
});
