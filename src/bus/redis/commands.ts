import type { Candle } from '../../market/candle.js';
import type { MarketEvent } from '../../market/event.js';
import { encodeMessage, positionMessage } from './message.js';
import type { Batch, Outbox } from './outbox.js';
import { encodeCandle, encodeGap, encodeWindow, isNews, windowBound } from './records.js';
import { CLAIM, PUBLISH, type Script, STORE } from './scripts.js';

/** A script with what it is given; its keys are always window, state, open. */
export interface Command {
  readonly script: Script;
  readonly args: string[];
  readonly bytes: number;
}

export function commandOf(batch: Batch, outbox: Outbox, session: number, publishCommand: string): Command {
  const { epoch, names } = outbox;
  const head = [String(epoch), String(session)];
  if (batch.kind === 'claim') return command(CLAIM, [...head, String(batch.seq)]);
  if (batch.kind === 'store') return storeCommand(batch, outbox, head, publishCommand);
  const open = openAfter(batch.events, outbox);
  const message = encodeMessage(batch.events);
  const args = [...head, String(batch.prev), String(batch.seq), String(windowBound(outbox.interval))];
  args.push(open, publishCommand, names.live, message);
  const candles = batch.events.filter((event) => event.kind === 'closed');
  args.push(String(candles.length));
  for (const event of candles) args.push(String(event.candle.openTime), encodeCandle(stored(event.candle, event.seq)));
  for (const event of batch.events) if (event.kind === 'gap') args.push(encodeGap(event.gap));
  return command(PUBLISH, args);
}

function storeCommand(batch: Batch, outbox: Outbox, head: string[], publishCommand: string): Command {
  const window = batch.window;
  if (window === null) throw new Error('a store without a window');
  const closed = window.closed.slice(-windowBound(outbox.interval));
  const from = closed[0]?.openTime ?? 0;
  const gaps = window.gaps.filter((gap) => isNews(gap, from)).map(encodeGap);
  const last = String(closed.at(-1)?.openTime ?? 0);
  const open = window.open === null ? '-' : encodeCandle(window.open);
  outbox.openTime = window.open?.openTime ?? Number.NEGATIVE_INFINITY;
  const message = batch.events.length > 0 ? encodeMessage(batch.events) : positionMessage(window.epoch, window.seq);
  const state = [String(window.seq), String(closed.length), last, gaps.join('\n'), encodeWindow(closed), open];
  return command(STORE, [...head, ...state, publishCommand, outbox.names.live, message]);
}

/** A candle that was cut short by an outage has a place after what was sent before it. */
function stored(candle: Candle, seq: number): Candle {
  return candle.seq < seq ? { ...candle, seq } : candle;
}

/** The open candle after these events: its record, '-' for none, '' where they leave it as it is. */
function openAfter(events: readonly MarketEvent[], outbox: Outbox): string {
  let open: Candle | null = null;
  let closes = false;
  for (const event of events) {
    if (event.kind === 'update') open = event.candle;
    else if (event.kind === 'closed' && event.candle.openTime >= (open?.openTime ?? outbox.openTime)) {
      open = null;
      closes = true;
    }
  }
  if (open !== null) {
    outbox.openTime = open.openTime;
    return encodeCandle(open);
  }
  if (closes) outbox.openTime = Number.NEGATIVE_INFINITY;
  return closes ? '-' : '';
}

function command(script: Script, args: string[]): Command {
  let bytes = 0;
  for (const arg of args) bytes += arg.length;
  return { script, args, bytes };
}
