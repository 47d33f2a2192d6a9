import { fc, test } from '@fast-check/vitest';
import { unpack } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import type { Candle, Gap } from '../../src/market/candle.js';
import { encode } from '../../src/wire/codec.js';
import {
  candleFrame,
  gapFrame,
  heartbeatFrame,
  recoveryFrame,
  signalFrame,
  signalsFrame,
  subscribedFrame,
} from '../../src/wire/frames.js';
import { toWireCandle, toWireGap } from '../../src/wire/messages.js';
import { serverMessage } from '../../src/wire/schemas.js';
import type { WireSignal } from '../../src/wire/signals.js';

const price = fc
  .tuple(fc.nat(999_999_999), fc.nat(99_999_999))
  .map(([whole, fraction]) => `${whole}.${String(fraction).padStart(8, '0')}`);
const position = fc.record({ epoch: fc.nat(2 ** 31), seq: fc.maxSafeNat() }, { noNullPrototype: true });
const candle: fc.Arbitrary<Candle> = fc.record(
  {
    symbol: fc.constant('BTCUSDT'),
    interval: fc.constant('1m' as const),
    openTime: fc.nat(2 ** 42).map((t) => t * 1),
    open: price,
    high: price,
    low: price,
    close: price,
    volume: price,
    quoteVolume: price,
    takerBuyVolume: price,
    takerBuyQuoteVolume: price,
    trades: fc.nat(),
    firstTradeId: fc.constant(null),
    lastTradeId: fc.constant(null),
    firstTradeTime: fc.constant(null),
    lastTradeTime: fc.constant(null),
    closed: fc.boolean(),
    revision: fc.nat(100),
    seq: fc.maxSafeNat(),
  },
  { noNullPrototype: true },
);
const gap: fc.Arbitrary<Gap> = fc.record(
  {
    symbol: fc.constant('BTCUSDT'),
    from: fc.nat(),
    to: fc.nat(),
    reason: fc.string(),
    seq: fc.maxSafeNat(),
  },
  { noNullPrototype: true },
);
const text = fc.string({ maxLength: 20 });
const data = fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.oneof(text, fc.nat(), fc.boolean(), fc.array(text)), {
  noNullPrototype: true,
});
const signal: fc.Arbitrary<WireSignal> = fc.record(
  {
    id: fc.uuid(),
    seq: fc.maxSafeNat(),
    type: text,
    symbol: text,
    data: fc.option(data),
    createdAt: fc.nat(2 ** 42),
    expiresAt: fc.option(fc.nat(2 ** 42)),
    source: fc.constantFrom('publisher' as const, 'rule' as const),
  },
  { noNullPrototype: true },
);
const id = fc.oneof(fc.string({ maxLength: 64 }), fc.maxSafeInteger());
const CHANNEL = 'candles:BTCUSDT:1m';

/** The two encodings of a frame say the same, that of the schema. */
function check(json: unknown, msgpack: unknown, message: Parameters<typeof encode>[0]): void {
  expect(json).toBe(JSON.stringify(message));
  expect(msgpack).toBeInstanceOf(Uint8Array);
  expect(unpack(msgpack as Uint8Array)).toEqual(message);
  expect(serverMessage.parse(message)).toEqual(message);
}

describe('frames put together by hand equal the encoded message', () => {
  test.prop([position, candle, fc.maxSafeNat(), fc.boolean()])('candle', ({ epoch, seq }, one, prev, durable) => {
    const p = durable ? prev : null;
    const base = { type: 'candle', channel: CHANNEL, epoch, seq } as const;
    const message = durable ? { ...base, prev, candle: toWireCandle(one) } : { ...base, candle: toWireCandle(one) };
    check(
      candleFrame('json', CHANNEL, epoch, seq, p, one),
      candleFrame('msgpack', CHANNEL, epoch, seq, p, one),
      message,
    );
  });

  test.prop([fc.nat(), gap, fc.maxSafeNat()])('gap', (epoch, one, prev) => {
    const message = { type: 'gap', channel: CHANNEL, epoch, seq: one.seq, prev, ...toWireGap(one) } as const;
    check(gapFrame('json', CHANNEL, epoch, prev, one), gapFrame('msgpack', CHANNEL, epoch, prev, one), message);
  });

  test.prop([position, fc.nat(), fc.array(signal, { maxLength: 4 })])('signals', (at, prev, all) => {
    const message = { type: 'signals' as const, channel: 'signals' as const, ...at, prev, signals: all };
    check(signalsFrame('json', at, prev, all), signalsFrame('msgpack', at, prev, all), message);
    for (const one of all) {
      const base = { type: 'signal', channel: 'signals', epoch: at.epoch, seq: one.seq } as const;
      const frames = (['json', 'msgpack'] as const).map((encoding) => signalFrame(encoding, at.epoch, prev, one));
      check(frames[0], frames[1], { ...base, prev, signal: one });
    }
  });

  test.prop([position, fc.boolean()])('heartbeat', (at, stale) => {
    const message = { type: 'heartbeat' as const, channel: CHANNEL, ...at, ...(stale ? { stale: true as const } : {}) };
    check(heartbeatFrame('json', CHANNEL, at, stale), heartbeatFrame('msgpack', CHANNEL, at, stale), message);
  });

  const recovery = fc.record(
    {
      recovered: fc.option(fc.boolean()),
      candles: fc.array(candle, { maxLength: 5 }),
      open: fc.option(candle),
      gaps: fc.array(gap, { maxLength: 3 }),
      limited: fc.option(fc.record({ plan: fc.string(), historyDays: fc.nat() }, { noNullPrototype: true })),
    },
    { noNullPrototype: true },
  );

  test.prop([position, recovery, fc.option(id), fc.boolean()])('subscribed', (at, what, maybeId, isShared) => {
    const name = maybeId === null ? undefined : maybeId;
    const message = {
      type: 'subscribed' as const,
      ...(name === undefined ? {} : { id: name }),
      channel: CHANNEL,
      ...at,
      candles: [...what.candles, ...(what.open ? [what.open] : [])].map(toWireCandle),
      gaps: what.gaps.map(toWireGap),
      ...(what.recovered === null ? {} : { recovered: what.recovered }),
      ...(what.limited ? { limited: what.limited } : {}),
    };
    const frames = (['json', 'msgpack'] as const).map((encoding) => {
      const shared = isShared ? recoveryFrame('subscribed', encoding, CHANNEL, at, what) : null;
      return subscribedFrame(encoding, CHANNEL, at, what, shared, name);
    });
    check(frames[0], frames[1], message);
  });

  test.prop([position, recovery])('resync', (at, what) => {
    const message = {
      type: 'resync' as const,
      channel: CHANNEL,
      ...at,
      candles: [...what.candles, ...(what.open ? [what.open] : [])].map(toWireCandle),
      gaps: what.gaps.map(toWireGap),
      recovered: what.recovered ?? false,
    };
    check(
      recoveryFrame('resync', 'json', CHANNEL, at, what),
      recoveryFrame('resync', 'msgpack', CHANNEL, at, what),
      message,
    );
  });
});

describe('encode', () => {
  it('gives frames that later ones do not overwrite', () => {
    const first = encode({ type: 'pong', id: 'first', time: 1 }, 'msgpack');
    for (let i = 0; i < 10_000; i++) encode({ type: 'pong', id: 'another one', time: i }, 'msgpack');
    expect(unpack(first as Uint8Array)).toEqual({ type: 'pong', id: 'first', time: 1 });
  });
});
