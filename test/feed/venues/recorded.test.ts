import { afterAll, beforeAll, expect, test } from 'vitest';
import { binance } from '../../../src/feed/venues/binance.js';
import { coinbase } from '../../../src/feed/venues/coinbase.js';
import type { Venue } from '../../../src/feed/venues/venue.js';
import { VenueFeed } from '../../../src/feed/venues/venue-feed.js';
import { formatDecimal } from '../../../src/kit/decimal.js';
import type { Trade } from '../../../src/market/trade.js';
import { candleRow } from '../../../src/wire/binance/kline.js';
import { essence, referenceMinutes } from '../../candles/reference.js';
import { LogLines } from '../recorder.js';
import { binanceDialect, coinbaseDialect, type Dialect } from './dialects.js';
import { Outcome, SCRIPT_TIMINGS } from './drama.js';
import { VenuePort } from './mock-venue.js';
import { type RecordedFrame, RecordedVenue, recordedFrames } from './recorded-venue.js';
import { asTrade, type TrueTrade } from './truth.js';
import { VirtualClock } from './virtual-clock.js';

const MINUTE = 60_000;
const GRACE_MS = 2000;

let port: VenuePort;

beforeAll(async () => {
  port = await VenuePort.open();
});

afterAll(() => port.close());

/** What the engine made of a recording, and every trade that reached it. */
class Sink extends Outcome {
  readonly trades: Trade[] = [];

  override trade(trade: Trade) {
    this.trades.push(trade);
    return super.trade(trade);
  }
}

interface Recording {
  readonly venue: Venue;
  readonly dialect: Dialect;
  readonly frames: readonly RecordedFrame[];
  readonly tradeOf: (text: string) => TrueTrade | null;
  /** Where stored candles end; null: nothing is stored. */
  readonly storedEnd: number | null;
  /** After the last frame. */
  readonly forMs: number;
}

/** Plays a recording to the connector as it is in production, over a real socket, on a clock of its own. */
async function replay({ venue, dialect, frames, tradeOf, storedEnd, forMs }: Recording) {
  const trades = frames.flatMap(({ text }) => tradeOf(text) ?? []);
  const natives = [...new Set(trades.map(({ native }) => native))];
  let feed: VenueFeed | null = null;
  const clock = new VirtualClock(frames[0]?.receivedMs ?? 0, () => {
    if (feed === null) return true;
    const { frames: received, open, connecting, requests } = feed.traffic;
    return received === server.framesSent && open === server.open && connecting + requests === 0;
  });
  const server: RecordedVenue = new RecordedVenue({ port, dialect, clock, frames, tradeOf });
  const urls = port.add(venue.name, server);
  const sink = new Sink(clock);
  const stored = storedEnd === null ? null : { lastOpenTime: storedEnd - MINUTE, lastClosedEnd: storedEnd };
  const log = new LogLines();
  const resume = () => stored ?? { lastOpenTime: null, lastClosedEnd: null };
  feed = new VenueFeed(
    { venue, natives, ...urls, suffix: '', backfillHours: 6 },
    { clock, log, sink, graceMs: GRACE_MS, dataDir: '', resume },
    { timings: SCRIPT_TIMINGS, random: () => 0.5 },
  );
  const caughtUp = feed.catchUp(() => {});
  await clock.run((frames.at(-1)?.receivedMs ?? 0) + forMs);
  await caughtUp;
  const tracks = natives.map((native) => ({ native, track: feed?.track(native) }));
  await feed.stop();
  port.remove(venue.name);
  const complaints = log.lines.filter(({ level }) => level !== 'info');
  return { natives, trades, sink, tracks, complaints };
}

/** As the exchange wrote them, with the decimals that we keep. */
function told(trades: readonly TrueTrade[], native: string) {
  const digits = (text: string) => {
    const [whole = '', fraction = ''] = text.split('.');
    return `${whole}.${fraction.padEnd(8, '0')}`;
  };
  return trades
    .filter((trade) => trade.native === native)
    .map(({ id, time, price, quantity, side }) => [id, time, digits(price), digits(quantity), side]);
}

function delivered(trades: readonly Trade[], symbol: string) {
  return trades
    .filter((trade) => trade.symbol === symbol)
    .map((t) => [
      t.id,
      t.time,
      formatDecimal(t.priceWhole, t.priceFraction),
      formatDecimal(t.quantityWhole, t.quantityFraction),
      t.takerSide,
    ]);
}

interface BinanceFrame {
  readonly data: {
    readonly e: string;
    readonly s: string;
    readonly a: number;
    readonly f: number;
    readonly l: number;
    readonly T: number;
    readonly p: string;
    readonly q: string;
    readonly m: boolean;
    readonly k: Kline;
  };
}

type Kline = Record<'o' | 'h' | 'l' | 'c' | 'v' | 'q' | 'V' | 'Q', string> & {
  readonly t: number;
  readonly T: number;
  readonly n: number;
  readonly x: boolean;
};

function ofBinance(text: string): TrueTrade | null {
  const { data } = JSON.parse(text) as BinanceFrame;
  if (data.e !== 'aggTrade') return null;
  // Each is one fill, so that ours and the exchange's count of trades are the same.
  expect(data.f).toBe(data.l);
  return {
    native: data.s,
    id: data.a,
    time: data.T,
    price: data.p,
    quantity: data.q,
    side: data.m ? 'sell' : 'buy',
  };
}

const E8 = 100_000_000n;
const units = (text: string) => BigInt(text.replace('.', ''));
const decimal = (value: bigint) => `${value / E8}.${String(value % E8).padStart(8, '0')}`;

test('Binance: a recorded stream through the connector; the candles are the klines of the exchange', async () => {
  const frames = recordedFrames('binance-frames.txt');
  const played = await replay({
    venue: binance('aggTrade'),
    dialect: binanceDialect('aggTrade'),
    frames,
    tradeOf: ofBinance,
    storedEnd: null,
    forMs: 10_000,
  });
  const { sink, trades, natives } = played;
  expect(natives).toEqual(['OMGBUSD', 'NKNUSDT', 'LRCBTC']);
  expect(sink.trades.length).toBe(13);
  for (const native of natives) expect(delivered(sink.trades, native)).toEqual(told(trades, native));
  expect(played.tracks.map(({ track }) => [track?.backfilled, track?.duplicates, track?.gaps])).toEqual([
    [0, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
  ]);
  expect([sink.gaps, played.complaints]).toEqual([[], []]);

  const klines = (native: string) =>
    frames
      .map(({ text }) => (JSON.parse(text) as BinanceFrame).data)
      .flatMap(({ e, s, k }) => (e === 'kline' && s === native ? k : []));
  const ours = (native: string, openTime: number) => {
    const found = sink.closed.find(({ candle }) => candle.symbol === native && candle.openTime === openTime);
    if (found === undefined) throw new Error(`${native} has no candle of ${openTime}`);
    const [t, o, h, l, c, v, T, q, n, V, Q] = JSON.parse(candleRow(found.candle)) as unknown[];
    return { t, T, o, h, l, c, v, q, n, V, Q };
  };
  const shared = ({ t, T, o, h, l, c, v, q, n, V, Q }: Kline) => ({ t, T, o, h, l, c, v, q, n, V, Q });

  // All trades of this minute are in the recording.
  const [lrc] = klines('LRCBTC');
  if (lrc === undefined) throw new Error('the recording has another kline');
  expect(ours('LRCBTC', lrc.t)).toEqual(shared(lrc));

  // The first five fills of this one are not: its first kline, which ends with the first recorded trade, says what they came to.
  const [first, ...later] = klines('OMGBUSD');
  const closed = later.find(({ x }) => x);
  const [begin] = trades.filter(({ native }) => native === 'OMGBUSD');
  if (first === undefined || closed === undefined || begin === undefined)
    throw new Error('the recording has no minute');
  const quantity = units(begin.quantity);
  const quote = (quantity * units(begin.price)) / E8;
  const after = (name: 'v' | 'q' | 'V' | 'Q', own: bigint) =>
    decimal(
      units(closed[name]) - units(first[name]) + (begin.side === 'buy' || name === 'v' || name === 'q' ? own : 0n),
    );
  const own = ours('OMGBUSD', closed.t);
  const extreme = (better: 'min' | 'max', ...prices: unknown[]) =>
    prices.find((price) => Number(price) === Math[better](...prices.map(Number)));
  expect({ ...own, h: extreme('max', own.h, first.h), l: extreme('min', own.l, first.l) }).toEqual({
    t: closed.t,
    T: closed.T,
    o: begin.price,
    h: closed.h,
    l: closed.l,
    c: closed.c,
    v: after('v', quantity),
    q: after('q', quote),
    n: closed.n - first.n + 1,
    V: after('V', quantity),
    Q: after('Q', quote),
  });
});

interface CoinbaseFrame {
  readonly type: string;
  readonly product_id: string;
  readonly trade_id: number;
  readonly time: string;
  readonly price: string;
  readonly size: string;
  readonly side: 'buy' | 'sell';
}

function ofCoinbase(text: string): TrueTrade | null {
  const frame = JSON.parse(text) as CoinbaseFrame;
  if (frame.type !== 'match' && frame.type !== 'last_match') return null;
  const { product_id: native, trade_id: id, price, size: quantity, side } = frame;
  return {
    native,
    id,
    time: Math.floor(Date.parse(frame.time)),
    price,
    quantity,
    side: side === 'buy' ? 'sell' : 'buy',
  };
}

test('Coinbase: a recorded stream through the connector, tickers and acknowledgements among the matches', async () => {
  const played = await replay({
    venue: coinbase,
    // The recording has the acknowledgements of its own subscription.
    dialect: { ...coinbaseDialect(), subscribed: () => ({ natives: [], answers: [] }) },
    frames: recordedFrames('coinbase-frames.txt'),
    tradeOf: ofCoinbase,
    storedEnd: Date.UTC(2021, 3, 17, 16, 41),
    forMs: MINUTE,
  });
  const { sink, trades, natives } = played;
  expect([natives.length, sink.trades.length]).toEqual([10, 107]);
  for (const native of natives) {
    expect(delivered(sink.trades, native)).toEqual(told(trades, native));
    const own = trades.filter((trade) => trade.native === native).map((trade) => asTrade(native, trade));
    const minutes = referenceMinutes(own);
    const closed = sink.closed.filter(({ candle }) => candle.symbol === native && candle.trades > 0);
    expect(closed.map(({ candle }) => essence(candle))).toEqual(minutes.filter((minute) => minute.trades > 0));
  }
  expect([sink.gaps, played.complaints]).toEqual([[], []]);
  expect(played.tracks.map(({ track }) => [track?.backfilled, track?.duplicates])).toEqual(natives.map(() => [0, 0]));
});
