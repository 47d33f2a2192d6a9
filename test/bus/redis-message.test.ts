import { fc, test } from '@fast-check/vitest';
import { describe, expect, it } from 'vitest';
import { decodeMessage, encodeMessage, positionMessage } from '../../src/bus/redis/message.js';
import {
  decodeGaps,
  decodeOpen,
  decodeWindow,
  encodeCandle,
  encodeGap,
  encodeWindow,
} from '../../src/bus/redis/records.js';
import { slotOf } from '../../src/kit/redis-slots.js';
import type { Candle, Gap } from '../../src/market/candle.js';
import type { MarketEvent } from '../../src/market/event.js';
import { INTERVALS, type Interval } from '../../src/market/interval.js';
import { candleFrame, gapFrame } from '../../src/wire/frames.js';

const SYMBOL = 'BTC-USD.P_1';
const count = fc.nat(Number.MAX_SAFE_INTEGER);
const digits = (places: number) =>
  fc.bigInt(0n, 10n ** BigInt(places) - 1n).map((n) => String(n).padStart(places, '0'));
const decimal = (places: number) => fc.tuple(fc.nat(999_999_999_999), digits(places)).map(([w, f]) => `${w}.${f}`);
const candle = (interval: Interval): fc.Arbitrary<Candle> =>
  fc.record({
    symbol: fc.constant(SYMBOL),
    interval: fc.constant(interval),
    openTime: count,
    open: decimal(8),
    high: decimal(8),
    low: decimal(8),
    close: decimal(8),
    volume: decimal(8),
    quoteVolume: decimal(16),
    takerBuyVolume: decimal(8),
    takerBuyQuoteVolume: decimal(16),
    trades: count,
    firstTradeId: fc.option(count),
    lastTradeId: fc.option(count),
    firstTradeTime: fc.option(count),
    lastTradeTime: fc.option(count),
    closed: fc.boolean(),
    revision: count,
    seq: count,
  });
const gap: fc.Arbitrary<Gap> = fc.record({
  symbol: fc.constant(SYMBOL),
  from: count,
  to: count,
  reason: fc.string({ unit: 'binary' }),
  seq: count,
});
const event = (interval: Interval): fc.Arbitrary<MarketEvent> => {
  const of = { symbol: fc.constant(SYMBOL), interval: fc.constant(interval), epoch: count, seq: count };
  return fc.oneof(
    fc.record({ ...of, kind: fc.constant('update' as const), candle: candle(interval) }),
    fc.record({ ...of, kind: fc.constant('closed' as const), prev: count, candle: candle(interval) }),
    fc.record({ ...of, kind: fc.constant('gap' as const), prev: count, gap }).map((e) => ({ ...e, seq: e.gap.seq })),
  );
};
const batch = fc
  .constantFrom(...INTERVALS)
  .chain((interval) => fc.tuple(fc.constant(interval), fc.array(event(interval), { minLength: 1, maxLength: 5 })));

function frameOf(e: MarketEvent): unknown {
  const channel = `candles:${e.symbol}:${e.interval}`;
  if (e.kind === 'gap') return gapFrame('json', channel, e.epoch, e.prev, e.gap);
  return candleFrame('json', channel, e.epoch, e.seq, e.kind === 'closed' ? e.prev : null, e.candle);
}

describe('messages', () => {
  test.prop([batch])('come back as they went, with the frame that clients get', ([interval, events]) => {
    const decoded = decodeMessage(SYMBOL, interval, encodeMessage(events));
    expect(decoded).toEqual(events.map((e) => ({ ...e, frame: frameOf(e) })));
    // A frame that came is passed on as it is.
    expect(encodeMessage(decoded ?? [])).toBe(encodeMessage(events));
  });

  test.prop([batch, fc.nat(), fc.string({ minLength: 0, maxLength: 3, unit: 'binary' }), fc.nat(3)])(
    'that are damaged are never taken for something else',
    ([interval, events], at, text, cut) => {
      const whole = encodeMessage(events);
      const from = at % (whole.length + 1);
      const damaged = whole.slice(0, from) + text + whole.slice(from + cut);
      const decoded = decodeMessage(SYMBOL, interval, damaged);
      // Either refused, or it is a message that we could have made ourselves, exactly.
      if (decoded !== null && decoded.length > 0) expect(encodeMessage(decoded.map(withoutFrame))).toBe(damaged);
    },
  );

  it.each(['', ' ', '{}', 'null\n[]', '=1', '= 1 2', '=1 2\n', '{}\n[]', '[]\n{}', 'x'.repeat(2 * 1024 * 1024)])(
    'that are not ours are refused: %.20s',
    (text) => {
      expect(decodeMessage(SYMBOL, '1m', text)).toBeNull();
    },
  );

  test.prop([batch])('of another channel are refused', ([interval, events]) => {
    expect(decodeMessage('OTHER', interval, encodeMessage(events))).toBeNull();
  });

  it('of a position carry no events', () => {
    expect(decodeMessage(SYMBOL, '1m', positionMessage(3, 2 ** 45))).toEqual([]);
  });
});

describe('records', () => {
  test.prop([fc.array(candle('1h'))])('of a window come back as they went', (candles) => {
    expect(decodeWindow(SYMBOL, '1h', encodeWindow(candles))).toEqual(candles);
  });

  test.prop([candle('1h')])('begin with the keys of REST, and nest nothing', (one) => {
    const record = encodeCandle(one);
    expect(decodeOpen(SYMBOL, '1h', record)).toEqual(one);
    expect(Object.keys(JSON.parse(record)).slice(0, 9)).toEqual(['t', 'o', 'h', 'l', 'c', 'v', 'n', 'x', 'r']);
    expect(record.match(/[{}]/g)).toEqual(['{', '}']);
  });

  test.prop([fc.array(gap)])('of gaps are one line each', (gaps) => {
    const lines = gaps.map(encodeGap);
    expect(lines.every((line) => !line.includes('\n'))).toBe(true);
    expect(decodeGaps(SYMBOL, lines.join('\n'))).toEqual(gaps);
  });
});

function withoutFrame({ frame: _, ...event }: MarketEvent): MarketEvent {
  return event as MarketEvent;
}

describe('slots', () => {
  // As CLUSTER KEYSLOT answers.
  it.each([
    ['123456789', 12_739],
    ['foo', 12_182],
    ['{user1000}.following', 3443],
    ['foo{}{bar}', 8363],
    ['', 0],
  ])('%s', (key, slot) => {
    expect(slotOf(key)).toBe(slot);
  });
});
