import type { Bar, Candle, Gap } from '../market/candle.js';
import type { Position } from '../market/position.js';
import { type Encoding, encode, type Frame } from './codec.js';
import { type Limited, type MessageId, type ServerMessage, toWireCandle, toWireGap } from './messages.js';
import type { WireSignal } from './signals.js';

/**
 * Frames of hot paths. The JSON forms are put together by hand (channel names and decimals need no escaping);
 * they equal `encode` of the same message byte for byte.
 */

/** `prev` is given for closed candles and corrections, not for updates of an open one. */
export function candleFrame(
  encoding: Encoding,
  channel: string,
  epoch: number,
  seq: number,
  prev: number | null,
  candle: Bar,
): Frame {
  if (encoding === 'json') {
    const before = prev === null ? '' : `"prev":${prev},`;
    return `{"type":"candle","channel":"${channel}","epoch":${epoch},"seq":${seq},${before}"candle":${candleJson(candle)}}`;
  }
  const wire = toWireCandle(candle);
  return encode(
    prev === null
      ? { type: 'candle', channel, epoch, seq, candle: wire }
      : { type: 'candle', channel, epoch, seq, prev, candle: wire },
    encoding,
  );
}

export function gapFrame(encoding: Encoding, channel: string, epoch: number, prev: number, gap: Gap): Frame {
  return encode({ type: 'gap', channel, epoch, seq: gap.seq, prev, ...toWireGap(gap) }, encoding);
}

export function heartbeatFrame(encoding: Encoding, channel: string, { epoch, seq }: Position, stale: boolean): Frame {
  const beat = { type: 'heartbeat', channel, epoch, seq } as const;
  return encode(stale ? { ...beat, stale } : beat, encoding);
}

/** `seq` is the signal's own. */
export function signalFrame(encoding: Encoding, epoch: number, prev: number, signal: WireSignal): Frame {
  return encode({ type: 'signal', channel: 'signals', epoch, seq: signal.seq, prev, signal }, encoding);
}

/** Everything after `prev` up to the position. */
export function signalsFrame(
  encoding: Encoding,
  { epoch, seq }: Position,
  prev: number,
  signals: readonly WireSignal[],
): Frame {
  return encode({ type: 'signals', channel: 'signals', epoch, seq, prev, signals: [...signals] }, encoding);
}

/** What `subscribed` and `resync` carry; `recovered` null: no position was given (a resync always has one). `open` is already left out where the channel does not carry it. */
export interface Recovery {
  readonly recovered: boolean | null;
  readonly candles: readonly Candle[];
  readonly open: Candle | null;
  readonly gaps: readonly Gap[];
  /** Left out of a resync: a plan bounds only how one begins. */
  readonly limited?: Limited | null;
}

/** The frame of a `subscribed` message without `id`, or of a `resync`. */
export function recoveryFrame(
  type: 'subscribed' | 'resync',
  encoding: Encoding,
  channel: string,
  position: Position,
  recovery: Recovery,
): Frame {
  if (encoding === 'json') return recoveryJson(type, channel, position, recovery);
  return encode(recoveryMessage(type, channel, position, recovery), encoding);
}

/** The same frame with an `id`, as cheap as copying where the frame is JSON. */
export function subscribedFrame(
  encoding: Encoding,
  channel: string,
  position: Position,
  recovery: Recovery,
  shared: Frame | null,
  id: MessageId | undefined,
): Frame {
  const base = shared ?? (encoding === 'json' ? recoveryJson('subscribed', channel, position, recovery) : null);
  if (id === undefined) return base ?? recoveryFrame('subscribed', encoding, channel, position, recovery);
  if (typeof base === 'string') return `${SUBSCRIBED},"id":${JSON.stringify(id)}${base.slice(SUBSCRIBED.length)}`;
  const message = recoveryMessage('subscribed', channel, position, recovery);
  return encode({ ...message, type: 'subscribed', id } as ServerMessage, encoding);
}

const SUBSCRIBED = '{"type":"subscribed"';

function recoveryMessage(
  type: 'subscribed' | 'resync',
  channel: string,
  position: Position,
  recovery: Recovery,
): ServerMessage {
  const all = recovery.open ? [...recovery.candles, recovery.open] : recovery.candles;
  const rest = {
    channel,
    epoch: position.epoch,
    seq: position.seq,
    candles: all.map(toWireCandle),
    gaps: recovery.gaps.map(toWireGap),
  };
  if (type === 'resync') return { type, ...rest, recovered: recovery.recovered ?? false };
  const limited = recovery.limited ? { limited: recovery.limited } : {};
  return recovery.recovered === null
    ? { type, ...rest, ...limited }
    : { type, ...rest, recovered: recovery.recovered, ...limited };
}

function recoveryJson(type: 'subscribed' | 'resync', channel: string, position: Position, recovery: Recovery): string {
  const candles = recovery.candles.map(candleJson);
  if (recovery.open) candles.push(candleJson(recovery.open));
  const gaps = JSON.stringify(recovery.gaps.map(toWireGap));
  const known = recovery.recovered ?? (type === 'resync' ? false : null);
  const recovered = known === null ? '' : `,"recovered":${known}`;
  const limited = type === 'subscribed' && recovery.limited ? `,"limited":${JSON.stringify(recovery.limited)}` : '';
  const where = `"channel":"${channel}","epoch":${position.epoch},"seq":${position.seq}`;
  return `{"type":"${type}",${where},"candles":[${candles.join(',')}],"gaps":${gaps}${recovered}${limited}}`;
}

function candleJson(c: Bar): string {
  return `{"t":${c.openTime},"o":"${c.open}","h":"${c.high}","l":"${c.low}","c":"${c.close}","v":"${c.volume}","n":${c.trades},"x":${c.closed},"r":${c.revision}}`;
}
