import type { Position } from '../../market/position.js';
import type { Frame } from '../../wire/codec.js';

/** A message as an event without its `id:`; made once for all who get it. */
export interface ServerEvent {
  readonly text: string;
  /** What the message says of its channel; null: nothing. */
  readonly at: (Position & { readonly channel: string }) | null;
}

/** Every message with a position begins like this, whoever encoded it. */
const HEAD = /^\{"type":"[a-z]+","channel":"([^"\\]+)","epoch":(\d{1,16}),"seq":(\d{1,16})[,}]/;
const STATUS = 'status';

/** `frame` is JSON, which has no line breaks. */
export function eventOf(frame: Frame): ServerEvent {
  const json = String(frame);
  const [, channel, epoch, seq] = HEAD.exec(json) ?? [];
  // The status is not resumed: whoever comes back gets all of it.
  const at = channel === undefined || channel === STATUS ? null : { channel, epoch: Number(epoch), seq: Number(seq) };
  return { text: `data: ${json}\n\n`, at };
}

/** The last event of a stream. */
export function closeEvent(code: number, reason: string): string {
  return `event: close\ndata: ${JSON.stringify({ type: 'close', code, reason })}\n\n`;
}
