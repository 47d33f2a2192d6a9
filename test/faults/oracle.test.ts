import { describe, expect, it } from 'vitest';
import { MINUTE_MS } from '../../src/market/interval.js';
import type { ServerMessage, WireCandle } from '../../src/wire/messages.js';
import { ChannelOracle } from './kit/channel-oracle.js';
import { Truth } from './kit/truth.js';

const truth = new Truth();
const CHANNEL = 'candles:XRPETH:1m';
const PER_MINUTE = 2 ** 20;

/** Number `index` of the real minutes, as it closes. */
function real(index: number): WireCandle {
  const [t, o, h, l, c, v] = truth.minutes[index] ?? [0, '', '', '', '', ''];
  const candle = { t, o, h, l, c, v, n: 0, x: true, r: 0 };
  const right = truth.checkClosed('1m', candle)?.split(' ').at(-1);
  return right === undefined ? candle : { ...candle, n: Number(right) };
}

const seqOf = (index: number): number => (real(index).t / MINUTE_MS) * PER_MINUTE;

function subscribed(index: number, epoch = 1): ServerMessage {
  return { type: 'subscribed', channel: CHANNEL, epoch, seq: seqOf(index), candles: [], gaps: [] };
}

function closed(index: number, change: Partial<WireCandle> = {}, epoch = 1, prev = seqOf(index - 1)): ServerMessage {
  return {
    type: 'candle',
    channel: CHANNEL,
    epoch,
    seq: seqOf(index),
    prev,
    candle: { ...real(index), ...change },
  };
}

function recovered(first: number, last: number, type: 'subscribed' | 'resync' = 'subscribed'): ServerMessage {
  const candles = Array.from({ length: last - first + 1 }, (_, offset) => real(first + offset));
  return { type, channel: CHANNEL, epoch: 2, seq: seqOf(last), candles, gaps: [], recovered: true };
}

/** What an oracle says of messages that it gets in this order. A null is a reconnection. */
function verdict(...messages: (ServerMessage | null)[]): readonly string[] {
  const oracle = new ChannelOracle(CHANNEL, truth, true);
  oracle.request();
  for (const message of messages) {
    if (message !== null) oracle.take(message, 0);
    else {
      oracle.disconnected();
      oracle.request();
    }
  }
  return oracle.faults;
}

describe('what is right', () => {
  it('closes that follow each other, a resume, a resync, a new epoch', () => {
    expect(
      verdict(
        subscribed(9),
        closed(10),
        closed(11),
        null,
        recovered(12, 15),
        closed(16, {}, 2),
        recovered(17, 18, 'resync'),
        closed(19, {}, 3),
        { type: 'heartbeat', channel: CHANNEL, epoch: 3, seq: seqOf(19) },
      ),
    ).toEqual([]);
  });

  it('a hole that was announced', () => {
    const gap: ServerMessage = {
      type: 'gap',
      channel: CHANNEL,
      epoch: 1,
      seq: seqOf(10) + 1,
      prev: seqOf(10),
      from: real(11).t,
      to: real(13).t,
      reason: 'disconnected',
    };
    expect(verdict(subscribed(9), closed(10), gap, closed(13, {}, 1, seqOf(10) + 1))).toEqual([]);
  });

  it('an open candle that is the fold of the trades so far', () => {
    const open = { ...real(0), x: false };
    const update: ServerMessage = { type: 'candle', channel: CHANNEL, epoch: 1, seq: 0, candle: open };
    expect(verdict({ ...subscribed(0), seq: 0 } as ServerMessage, update)).toEqual([]);
    const [wrong] = verdict({ ...subscribed(0), seq: 0 } as ServerMessage, {
      ...update,
      candle: { ...open, n: open.n - 1 },
    });
    expect(wrong).toMatch(/open/);
  });

  it.each(['5m', '1h', '1d'] as const)('%s candles are folds of the minutes', (interval) => {
    const [first] = truth.minutes;
    const wrong = { t: first?.[0] ?? 0, o: '', h: '', l: '', c: '', v: '', n: 0, x: true, r: 0 };
    expect(truth.checkClosed(interval, wrong)).toMatch(/not/);
  });
});

describe('what is wrong', () => {
  const start = [subscribed(9), closed(10)];
  it.each([
    ['a missing candle', /is missing/, closed(12, {}, 1, seqOf(10))],
    ['a hole that prev shows', /prev/, closed(12)],
    ['a candle that comes again', /came again/, closed(10)],
    ['an earlier candle', /came again/, closed(8)],
    ['another price', /closed \d+: /, closed(11, { c: '0.00100000' })],
    ['another count of trades', /closed \d+: /, closed(11, { n: 999 })],
    ['a correction where there is none', /revision/, closed(11, { r: 1 })],
    ['the seq of another minute', /does not belong/, { ...closed(11), seq: seqOf(11) + PER_MINUTE } as ServerMessage],
    ['an older epoch', /epoch 0 after 1/, closed(11, {}, 0)],
    ['a heartbeat elsewhere', /heartbeat/, { type: 'heartbeat', channel: CHANNEL, epoch: 1, seq: seqOf(11) } as const],
    ['a resync that lacks its start', /is missing/, recovered(12, 14, 'resync')],
    [
      'a resync that lacks its end',
      /partial resync/,
      { ...recovered(11, 12, 'resync'), seq: seqOf(14) } as ServerMessage,
    ],
    ['a fresh snapshot', /not recovered/, { ...recovered(11, 12, 'resync'), recovered: false } as ServerMessage],
  ])('%s', (_, fault, message) => {
    expect(verdict(...start, message).join('; ')).toMatch(fault);
  });

  it('an update of a candle that has closed, or of one too far on', () => {
    const update = (index: number): ServerMessage => ({
      type: 'candle',
      channel: CHANNEL,
      epoch: 1,
      seq: seqOf(10),
      candle: { ...real(index), x: false },
    });
    expect(verdict(...start, update(11))).toEqual([]);
    expect(verdict(...start, update(10))[0]).toMatch(/has closed/);
    expect(verdict(...start, update(12))[0]).toMatch(/before \d+ closed/);
  });

  it('a resume from before what was seen', () => {
    expect(verdict(...start, null, recovered(10, 12))[0]).toMatch(/came again/);
  });
});
