import type { Candle } from '../../market/candle.js';
import type { MarketEvent } from '../../market/event.js';
import type { Interval } from '../../market/interval.js';
import { candleFrame, gapFrame } from '../../wire/frames.js';
import { type CandleRecord, decodeCandle, isCount, isRecord, parse } from './records.js';

/**
 * A message on a live channel: for each event two lines, the JSON frame that clients get as it is, and what the frame
 * lacks as a JSON array. A message of one line `=epoch seq` says only where the channel stands.
 */
export function encodeMessage(events: readonly MarketEvent[]): string {
  let text = '';
  for (const event of events) text += `${text === '' ? '' : '\n'}${frameOf(event)}\n${restOf(event)}`;
  return text;
}

export function positionMessage(epoch: number, seq: number): string {
  return `=${epoch} ${seq}`;
}

/** Longer ones are not ours. */
export const MESSAGE_BYTES = 1024 * 1024;

/** @returns the events, none for a position, null where it is not what `encodeMessage` makes of events of the channel. */
export function decodeMessage(symbol: string, interval: Interval, text: string): MarketEvent[] | null {
  if (text.length > MESSAGE_BYTES) return null;
  if (text.startsWith('=')) return /^=\d{1,16} \d{1,16}$/.test(text) ? [] : null;
  const lines = text.split('\n');
  if (lines.length % 2 !== 0) return null;
  const events: MarketEvent[] = [];
  for (let i = 0; i < lines.length; i += 2) {
    const event = decodeEvent(symbol, interval, lines[i] ?? '', lines[i + 1] ?? '');
    if (event === null) return null;
    events.push(event);
  }
  return events;
}

function frameOf(event: MarketEvent): string {
  if (event.frame !== undefined) return event.frame;
  const channel = channelOf(event.symbol, event.interval);
  const prev = event.kind === 'update' ? null : event.prev;
  return String(
    event.kind === 'gap'
      ? gapFrame('json', channel, event.epoch, event.prev, event.gap)
      : candleFrame('json', channel, event.epoch, event.seq, prev, event.candle),
  );
}

function restOf(event: MarketEvent): string {
  if (event.kind === 'gap') return '[]';
  const c = event.candle;
  return `["${c.quoteVolume}","${c.takerBuyVolume}","${c.takerBuyQuoteVolume}",${c.firstTradeId},${c.lastTradeId},${c.firstTradeTime},${c.lastTradeTime},${c.seq}]`;
}

function decodeEvent(symbol: string, interval: Interval, frame: string, rest: string): MarketEvent | null {
  const message = parse(frame);
  const extra = parse(rest);
  if (!isRecord(message) || !Array.isArray(extra)) return null;
  const event =
    message.type === 'gap' ? gapEvent(symbol, interval, message) : candleEvent(symbol, interval, message, extra);
  // Made again from what was understood: only what equals it byte for byte goes on to clients.
  if (event === null || frameOf(event) !== frame || restOf(event) !== rest) return null;
  return { ...event, frame };
}

function gapEvent(symbol: string, interval: Interval, message: CandleRecord): MarketEvent | null {
  const { epoch, seq, prev, from, to, reason } = message;
  if (!isCount(epoch) || !isCount(seq) || !isCount(prev) || !isCount(from) || !isCount(to)) return null;
  if (typeof reason !== 'string') return null;
  return { kind: 'gap', symbol, interval, epoch, seq, prev, gap: { symbol, from, to, reason, seq } };
}

function candleEvent(symbol: string, interval: Interval, message: CandleRecord, extra: unknown[]): MarketEvent | null {
  const { epoch, seq, prev } = message;
  const candle = isRecord(message.candle) ? wholeCandle(symbol, interval, message.candle, extra) : null;
  if (candle === null || !isCount(epoch) || !isCount(seq)) return null;
  if (prev === undefined) return { kind: 'update', symbol, interval, epoch, seq, candle };
  return isCount(prev) ? { kind: 'closed', symbol, interval, epoch, seq, prev, candle } : null;
}

function wholeCandle(symbol: string, interval: Interval, wire: CandleRecord, extra: unknown[]): Candle | null {
  const [q, tb, tq, fi, li, ft, lt, seq] = extra;
  return decodeCandle(symbol, interval, { ...wire, q, tb, tq, fi, li, ft, lt, seq });
}

function channelOf(symbol: string, interval: Interval): string {
  return `candles:${symbol}:${interval}`;
}
