// Fold of real-shaped trades: 1,000 symbols, the whole ladder, de-duplication and lateness on. Against a Map of plain
// objects in floats, and against a bare typed-array fold in floats, in interleaved rounds of one run.
// The output of the engine is hashed against a slow reference first.
import { createHash } from 'node:crypto';
import { CandleEngine } from '../src/candles/engine.js';
import { bucketStart, INTERVALS, MINUTE_MS } from '../src/market/interval.js';
import type { Trade } from '../src/market/trade.js';
import { essence, referenceMinutes, referenceRoll } from '../test/candles/reference.js';
import { report, rounds } from './support/rounds.js';
import { realShapedTrades } from './support/trades.js';

const SYMBOLS = 1000;
const TRADES = Number(process.argv[2] ?? 4_000_000);
const ROUNDS = 5;
const GRACE_MS = 2000;
/** Event time between two calls of the clock: an hour passes in seconds here, so a tick costs as much as many do live. */
const TICK_MS = 1000;

interface Bar {
  t: number;
  o: number;
  h: number;
  l: number;
  c: number;
  v: number;
  n: number;
}

/** An engine that knows every symbol: making a thousand books is no part of a fold. */
function primed(trades: readonly Trade[], symbols: readonly string[]): CandleEngine {
  const engine = new CandleEngine(GRACE_MS, 1);
  const first = trades[0];
  if (first === undefined) return engine;
  for (const symbol of symbols) engine.apply({ ...first, symbol, id: 0, time: first.time - MINUTE_MS });
  return engine;
}

function runEngine(engine: CandleEngine, trades: readonly Trade[], symbols: readonly string[]): number {
  let events = 0;
  let clock = 0;
  for (const trade of trades) {
    if (trade.time - clock >= TICK_MS) {
      clock = trade.time;
      for (const symbol of symbols) engine.advance(symbol, clock);
      events += engine.takeEvents().length;
    }
    engine.apply(trade);
  }
  return events;
}

/** What a first version would be: every interval's bar in a Map, in floats, without de-duplication or lateness. */
function runMap(trades: readonly Trade[]): number {
  const bars = new Map<string, Bar>();
  let closed = 0;
  for (const trade of trades) {
    const price = trade.priceWhole + trade.priceFraction / 1e8;
    const quantity = trade.quantityWhole + trade.quantityFraction / 1e8;
    for (const interval of INTERVALS) {
      const key = `${trade.symbol}:${interval}`;
      const t = bucketStart(interval, trade.time);
      const bar = bars.get(key);
      if (bar === undefined || bar.t !== t) {
        if (bar !== undefined) closed += 1;
        bars.set(key, { t, o: price, h: price, l: price, c: price, v: quantity, n: 1 });
        continue;
      }
      if (price > bar.h) bar.h = price;
      if (price < bar.l) bar.l = price;
      bar.c = price;
      bar.v += quantity;
      bar.n += 1;
    }
  }
  return closed + bars.size;
}

/** The floor: one bar a symbol and minute in a typed array of floats, nothing else. */
function runFloats(trades: readonly Trade[], index: ReadonlyMap<string, number>): number {
  const bars = new Float64Array(index.size * 8);
  let closed = 0;
  for (const trade of trades) {
    const at = (index.get(trade.symbol) ?? 0) * 8;
    const price = trade.priceWhole + trade.priceFraction / 1e8;
    const minute = Math.floor(trade.time / MINUTE_MS);
    if (bars[at] !== minute) {
      closed += 1;
      bars[at] = minute;
      bars[at + 1] = price;
      bars[at + 2] = price;
      bars[at + 3] = price;
      bars[at + 5] = 0;
    }
    if (price > (bars[at + 2] as number)) bars[at + 2] = price;
    if (price < (bars[at + 3] as number)) bars[at + 3] = price;
    bars[at + 4] = price;
    bars[at + 5] = (bars[at + 5] as number) + trade.quantityWhole + trade.quantityFraction / 1e8;
  }
  return closed;
}

/** Hashes every closed candle of a smaller run, ours and the reference's. */
function verify(trades: readonly Trade[], symbols: readonly string[]): void {
  const engine = new CandleEngine(GRACE_MS, 1);
  const ours = new Map<string, unknown>();
  const take = () => {
    for (const event of engine.takeEvents()) {
      if (event.kind === 'closed')
        ours.set(`${event.symbol} ${event.interval} ${event.candle.openTime}`, essence(event.candle));
    }
  };
  let clock = 0;
  for (const trade of trades) {
    if (trade.time > clock) {
      clock = trade.time;
      engine.advance(trade.symbol, clock);
    }
    engine.apply(trade);
  }
  const end = bucketStart('1m', clock) + MINUTE_MS;
  for (const symbol of symbols) engine.advance(symbol, end + GRACE_MS);
  take();
  const expected = new Map<string, unknown>();
  for (const symbol of symbols) {
    const minutes = referenceMinutes(trades.filter((trade) => trade.symbol === symbol));
    const last = minutes.at(-1);
    if (last === undefined) continue;
    for (let t = last.openTime + MINUTE_MS; t < end; t += MINUTE_MS) {
      const zero = { volume: '0.00000000', quoteVolume: '0.0000000000000000' };
      minutes.push({
        ...last,
        openTime: t,
        open: last.close,
        high: last.close,
        low: last.close,
        trades: 0,
        volume: zero.volume,
        takerBuyVolume: zero.volume,
        quoteVolume: zero.quoteVolume,
        takerBuyQuoteVolume: zero.quoteVolume,
      });
    }
    for (const candle of minutes) expected.set(`${symbol} 1m ${candle.openTime}`, candle);
    for (const interval of INTERVALS.slice(1)) {
      for (const candle of referenceRoll(minutes, interval)) {
        const key = `${symbol} ${interval} ${candle.openTime}`;
        if (ours.has(key)) expected.set(key, candle);
      }
    }
  }
  const hash = (map: Map<string, unknown>) =>
    createHash('sha256')
      .update(
        [...map]
          .map(([key, value]) => `${key} ${JSON.stringify(value)}`)
          .sort()
          .join('\n'),
      )
      .digest('hex');
  if (hash(ours) !== hash(expected))
    throw new Error(`the engine's candles differ from the reference's (${ours.size} and ${expected.size})`);
  process.stdout.write(`verified: ${ours.size} closed candles hash to the reference's\n`);
}

const sample = realShapedTrades(60_000, 40);
verify(sample.trades, sample.symbols);

const { trades, symbols } = realShapedTrades(TRADES, SYMBOLS);
const index = new Map(symbols.map((symbol, i) => [symbol, i]));
const rate = (run: () => number) => {
  const started = performance.now();
  run();
  return TRADES / ((performance.now() - started) / 1000);
};
const results = await rounds(ROUNDS, {
  engine: () => {
    const engine = primed(trades, symbols);
    return rate(() => runEngine(engine, trades, symbols));
  },
  map: () => rate(() => runMap(trades)),
  floats: () => rate(() => runFloats(trades, index)),
});
report('engine', results, {
  unit: 'trades/s',
  ratios: [
    ['engine', 'map', 3],
    ['engine', 'floats', null],
  ],
  floors: [['engine', 2_000_000]],
});
