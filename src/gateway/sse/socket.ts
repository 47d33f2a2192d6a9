import type { Position } from '../../market/position.js';
import type { Frame } from '../../wire/codec.js';
import type { HttpStream, StreamEvents } from '../../wire/http.js';
import type { Connection } from '../connection.js';
import type { Topics } from '../transport/topics.js';
import type { Socket } from '../transport/transport.js';
import type { Flushable, Turn } from '../transport/turn.js';
import { closeEvent, eventOf, type ServerEvent } from './event.js';
import { formatEventId, listOf } from './event-id.js';

/** Events waiting for the end of the turn are written early beyond this, so that a burst does not count as a slow client. */
const EARLY_FLUSH_CHARACTERS = 64 * 1024;
const CUT = 1006;
const COMMENT = ':\n\n';

/** What all of a server share. */
export interface Shared {
  readonly maxBufferedBytes: number;
  readonly topics: Topics<SseSocket>;
  readonly turn: Turn;
  /** Everything that was sent up to the ping has left. */
  pong(socket: SseSocket, payload: string): void;
  drained(socket: SseSocket): void;
  /** Called once a socket. */
  closed(socket: SseSocket, code: number): void;
}

/** A stream of events as a socket of the gateway: what it sends, it sends as events; nothing is ever received on it. */
export class SseSocket implements Socket<Connection>, Flushable, StreamEvents {
  #open = true;
  /** Over the limit: nothing more goes out, and the end of the turn cuts it. */
  #doomed = false;
  #queued = false;
  #waiting = '';
  #ping: string | null = null;
  readonly #topics = new Set<string>();
  readonly #list: string;
  readonly #places: ReadonlyMap<string, number>;
  readonly #positions: (Position | null)[];

  constructor(
    readonly data: Connection,
    readonly remoteAddress: string,
    channels: readonly string[],
    /** Where a stream that is resumed begins. */
    positions: readonly (Position | null)[],
    readonly out: HttpStream,
    readonly shared: Shared,
  ) {
    this.#list = listOf(channels);
    this.#places = new Map(channels.map((channel, place) => [channel, place]));
    this.#positions = [...positions];
  }

  send(frame: Frame): 'sent' | 'buffered' | 'dropped' | 'closed' {
    if (!this.#open) return 'closed';
    this.take(eventOf(frame));
    if (this.#doomed) return 'dropped';
    return this.out.bufferedBytes() === 0 ? 'sent' : 'buffered';
  }

  cork(run: () => void): void {
    run();
  }

  /** It leaves at the end of the turn, after those taken before. */
  take({ text, at }: ServerEvent): void {
    const place = at === null ? undefined : this.#places.get(at.channel);
    const before = place === undefined ? null : this.#positions[place];
    const isSame = at?.epoch === before?.epoch && at?.seq === before?.seq;
    if (at === null || place === undefined || isSame) {
      this.write(text);
      return;
    }
    this.#positions[place] = { epoch: at.epoch, seq: at.seq };
    this.write(`id: ${formatEventId(this.#list, this.#positions)}\n${text}`);
  }

  /** Lines of the stream as they are. */
  write(text: string): void {
    if (!this.#open || this.#doomed) return;
    this.#waiting += text;
    const stuckBytes = this.out.bufferedBytes();
    if (stuckBytes > 0 && stuckBytes + this.#waiting.length > this.shared.maxBufferedBytes) this.#doomed = true;
    else if (this.#waiting.length >= EARLY_FLUSH_CHARACTERS) this.#writeOut();
    if (this.#queued) return;
    this.#queued = true;
    this.shared.turn.add(this);
  }

  flush(): void {
    this.#queued = false;
    if (!this.#open) return;
    if (this.#doomed) {
      this.terminate();
      return;
    }
    this.#writeOut();
    this.#sendPing();
  }

  subscribe(topic: string): void {
    if (!this.#open) return;
    this.#topics.add(topic);
    this.shared.topics.add(topic, this);
  }

  unsubscribe(topic: string): void {
    this.#topics.delete(topic);
    this.shared.topics.remove(topic, this);
  }

  bufferedBytes(): number {
    return this.#open ? this.out.bufferedBytes() + this.#waiting.length : 0;
  }

  /** Nobody answers here: what has left for the kernel counts as read. The comment also tells proxies that the stream is in use. */
  ping(payload: string): void {
    this.#ping = payload;
    this.write('');
  }

  close(code: number, reason: string): void {
    if (!this.#open) return;
    this.out.write(this.#doomed ? '' : this.#waiting + closeEvent(code, reason));
    this.out.end();
    this.#finish(code);
  }

  terminate(): void {
    if (!this.#open) return;
    this.out.terminate();
    this.#finish(CUT);
  }

  drained(): void {
    if (this.#open) this.shared.drained(this);
  }

  closed(): void {
    this.#finish(CUT);
  }

  #writeOut(): void {
    const text = this.#waiting;
    this.#waiting = '';
    if (text !== '') this.out.write(text);
  }

  #sendPing(): void {
    const payload = this.#ping;
    if (payload === null) return;
    this.#ping = null;
    this.out.write(COMMENT, () => {
      if (this.#open) this.shared.pong(this, payload);
    });
  }

  /** Leaves every topic and reports the close, once. */
  #finish(code: number): void {
    if (!this.#open) return;
    this.#open = false;
    this.#waiting = '';
    for (const topic of this.#topics) this.shared.topics.remove(topic, this);
    this.#topics.clear();
    this.shared.closed(this, code);
  }
}
