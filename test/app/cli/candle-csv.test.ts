import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CANDLE_HEADER, candleLine, readCandle, readCandleHeader } from '../../../src/app/transfer/candle-csv.js';
import { fromScaled } from '../../../src/kit/scaled.js';
import type { Candle } from '../../../src/market/candle.js';
import { nextSeq } from '../../../src/market/position.js';

const LATEST = Date.UTC(2026, 0, 1);
const FIRST_MINUTE = Date.UTC(2009, 0, 3) / 60_000;

const scaled = (decimals: number, max: bigint) =>
  fc.bigInt({ min: 1n, max }).map((value) => [value, fromScaled(value, decimals)] as const);
const amount = scaled(8, 10n ** 20n - 1n).map(([, text]) => text);
const product = scaled(16, 10n ** 40n - 1n).map(([, text]) => text);
const orNull = fc.option(fc.maxSafeNat());

const candle: fc.Arbitrary<Candle> = fc
  .record({
    minute: fc.integer({ min: FIRST_MINUTE, max: LATEST / 60_000 }),
    prices: fc.array(scaled(8, 10n ** 20n - 1n), { minLength: 4, maxLength: 4 }),
    volumes: fc.tuple(scaled(8, 10n ** 20n - 1n), scaled(8, 10n ** 20n - 1n)),
    quoteVolume: product,
    takerBuyQuoteVolume: product,
    trades: fc.maxSafeNat(),
    firstTradeId: orNull,
    lastTradeId: orNull,
    second: fc.option(fc.integer({ min: 0, max: 59_999 })),
  })
  .map(({ minute, prices, volumes, second, ...rest }) => {
    const [low = '', open = '', close = '', high = ''] = prices
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, text]) => text);
    const [takerBuyVolume = '', volume = ''] = [...volumes]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, text]) => text);
    const openTime = minute * 60_000;
    const time = second === null ? null : openTime + second;
    return {
      symbol: 'A.B-C',
      interval: '1m',
      openTime,
      open,
      high,
      low,
      close,
      volume,
      takerBuyVolume,
      ...rest,
      firstTradeTime: time,
      lastTradeTime: time,
      closed: true,
      revision: 0,
      seq: nextSeq(0, openTime),
    };
  });

const columns = readCandleHeader(CANDLE_HEADER);
if (typeof columns === 'string') throw new Error(columns);

test('what is written is read again, every digit of it', () => {
  fc.assert(
    fc.property(candle, (given) => {
      expect(readCandle(columns, candleLine(given).trimEnd(), LATEST)).toEqual(given);
    }),
  );
});

test('columns may come in any order, and those that are not needed be missing', () => {
  const few = readCandleHeader('Volume, close,low,high,open,open_time_ms');
  expect(typeof few === 'string' ? few : readCandle(few, `10,1.5,0.5,2,001,${LATEST}`, LATEST)).toMatchObject({
    symbol: '',
    open: '1.00000000',
    volume: '10.00000000',
    quoteVolume: '0.0000000000000000',
    trades: 0,
    firstTradeId: null,
  });
});

test('any other line is told what is wrong with it, in a few words', () => {
  const cell = fc.oneof(
    amount,
    fc.string(),
    fc.constantFrom('', '-1', '1e5', 'NaN', 'Infinity', '0x1', '1.', '.1', '٣'),
  );
  fc.assert(
    fc.property(fc.array(cell, { maxLength: 17 }), (cells) => {
      const said = readCandle(columns, cells.join(','), LATEST);
      if (typeof said === 'string') expect(said.length).toBeLessThan(250);
      else expect(said.interval).toBe('1m');
    }),
  );
});
