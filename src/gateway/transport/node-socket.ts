import type { Socket as TcpSocket } from 'node:net';
import type { WebSocket } from 'ws';
import type { Frame } from '../../wire/codec.js';
import { encodeFrame, encodePing } from './node-frame.js';
import type { Listener } from './sweep.js';
import type { Topics } from './topics.js';
import type { Socket } from './transport.js';
import type { Flushable, Turn } from './turn.js';

/** Frames waiting for the end of the turn are written early beyond this, so that a burst does not count as a slow client. */
const EARLY_FLUSH_BYTES = 64 * 1024;
const CUT = 1006;

/** What all sockets of a transport share. */
export interface Shared<T> {
  readonly maxBufferedBytes: number;
  readonly topics: Topics<NodeSocket<T>>;
  readonly turn: Turn;
  /** Some of what was stuck has left. */
  drained(socket: NodeSocket<T>): void;
  /** Called once a socket. */
  closed(socket: NodeSocket<T>, code: number): void;
}

/**
 * Reads through `ws`, writes whole frames straight to the TCP socket: all frames of one turn leave in one write,
 * which is worth about seven times `ws.send` a frame.
 */
export class NodeSocket<T> implements Socket<T>, Listener, Flushable {
  heard = 0;
  #open = true;
  /** Over the limit: nothing more goes out, and the end of the turn cuts it. */
  #doomed = false;
  #queued = false;
  #watched = false;
  #frames: Buffer[] = [];
  #frameBytes = 0;
  readonly #topics = new Set<string>();

  constructor(
    readonly data: T,
    readonly remoteAddress: string,
    readonly ws: WebSocket,
    readonly tcp: TcpSocket,
    readonly shared: Shared<T>,
  ) {}

  get isOpen(): boolean {
    return this.#open;
  }

  send(frame: Frame): 'sent' | 'buffered' | 'dropped' | 'closed' {
    if (!this.#open) return 'closed';
    this.enqueue(encodeFrame(frame));
    if (this.#doomed) return 'dropped';
    return this.tcp.writableLength === 0 ? 'sent' : 'buffered';
  }

  /** What is sent in one turn leaves together anyway. */
  cork(run: () => void): void {
    run();
  }

  /** Takes an encoded frame; it leaves at the end of the turn, after those taken before. */
  enqueue(frame: Buffer): void {
    if (!this.#open || this.#doomed) return;
    this.#frames.push(frame);
    this.#frameBytes += frame.length;
    const stuckBytes = this.tcp.writableLength;
    if (stuckBytes > 0 && stuckBytes + this.#frameBytes > this.shared.maxBufferedBytes) this.#doom();
    else if (this.#frameBytes >= EARLY_FLUSH_BYTES) this.#write();
    this.#queue();
  }

  flush(): void {
    this.#queued = false;
    if (!this.#open) return;
    if (this.#doomed) this.terminate();
    else this.#write();
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
    return this.#open ? this.tcp.writableLength + this.#frameBytes : 0;
  }

  ping(payload: string): void {
    this.enqueue(encodePing(payload));
  }

  close(code: number, reason: string): void {
    if (!this.#open) return;
    if (this.#doomed) {
      this.terminate();
      return;
    }
    this.#write();
    this.ws.close(code, reason);
    this.finish(code);
  }

  terminate(): void {
    if (!this.#open) return;
    this.tcp.destroy();
    this.finish(CUT);
  }

  /** Leaves every topic and reports the close, once. */
  finish(code: number): void {
    if (!this.#open) return;
    this.#open = false;
    this.#frames = [];
    this.#frameBytes = 0;
    for (const topic of this.#topics) this.shared.topics.remove(topic, this);
    this.#topics.clear();
    this.shared.closed(this, code);
  }

  #doom(): void {
    this.#doomed = true;
    this.#frames = [];
    this.#frameBytes = 0;
  }

  #queue(): void {
    if (this.#queued) return;
    this.#queued = true;
    this.shared.turn.add(this);
  }

  #write(): void {
    const [first] = this.#frames;
    if (first === undefined) return;
    this.tcp.write(this.#frames.length === 1 ? first : Buffer.concat(this.#frames, this.#frameBytes));
    this.#frames = [];
    this.#frameBytes = 0;
    if (this.tcp.writableLength > 0 && !this.#watched) this.#watch();
  }

  /** Node's 'drain' comes only past its own high-water mark; an empty write comes due whenever what is before it has left. */
  #watch(): void {
    this.#watched = true;
    this.tcp.write('', (error) => {
      this.#watched = false;
      if (error || !this.#open || this.#doomed) return;
      if (this.tcp.writableLength > 0) this.#watch();
      this.shared.drained(this);
    });
  }
}
