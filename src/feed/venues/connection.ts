import WebSocket, { type RawData } from 'ws';
import type { Clock } from '../../kit/clock.js';
import type { Timings } from './timings.js';
import type { Venue, VenueMessage } from './venue.js';

const MAX_FRAME_BYTES = 4 * 1024 * 1024;

/** `connecting` → `subscribing` → `live`; every state may end in `closed`, from which nothing leads. */
export type ConnectionState = 'connecting' | 'subscribing' | 'live' | 'closed';

export interface ConnectionHooks {
  message(message: VenueMessage): void;
  /** A frame that makes no sense, with the reason. */
  nonsense(reason: string): void;
  live(): void;
  /** Called once, for whatever reason it ended. */
  closed(why: string): void;
}

export interface ConnectionOptions {
  readonly venue: Venue;
  readonly url: string;
  readonly natives: readonly string[];
  readonly timings: Timings;
  readonly clock: Clock;
  readonly hooks: ConnectionHooks;
}

/** One WebSocket to a venue with its subscriptions. It is never repaired: a new one takes its place. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #socket: WebSocket;
  #state: ConnectionState = 'connecting';
  #acksDue = 0;
  /** What is subscribed or asked for; a symbol that was refused by name is none of it. */
  #wanted: readonly string[];
  #perMessage: number;
  #messages = 0;
  #heardAt: number;
  #liveSince = Number.POSITIVE_INFINITY;
  /** Frames that were received. */
  frames = 0;
  readonly #timers: (() => void)[] = [];
  /** Messages that are not sent yet, and the end of the wait for their answers. */
  #asking: (() => void)[] = [];

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const { url, clock, timings, natives, venue } = options;
    this.#wanted = natives;
    this.#perMessage = venue.limits.symbolsPerSubscribe;
    this.#heardAt = clock.now();
    this.#socket = new WebSocket(url, { maxPayload: MAX_FRAME_BYTES, perMessageDeflate: false });
    this.#socket.on('open', () => this.#opened());
    this.#socket.on('message', (data) => this.#receive(data));
    this.#socket.on('pong', () => this.#heard());
    this.#socket.on('ping', () => this.#heard());
    this.#socket.on('close', (code) => this.#end(`closed by the venue (${code})`));
    // The close that follows says it too, but not why.
    this.#socket.on('error', (error) => this.#end(error.message));
    this.#expectAnswer(timings.handshakeMs);
    this.#timers.push(() => this.#cancelAsking());
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get liveSince(): number {
    return this.#liveSince;
  }

  close(why: string): void {
    this.#end(why);
  }

  #opened(): void {
    if (this.#state !== 'connecting') return;
    const { clock, timings } = this.#options;
    this.#state = 'subscribing';
    this.#heard();
    this.#timers.push(clock.every(timings.pingEveryMs, () => this.#ping()));
    this.#subscribe();
  }

  #subscribe(): void {
    const { venue, clock, timings } = this.#options;
    const { messageEveryMs } = venue.limits;
    this.#cancelAsking();
    this.#acksDue = 0;
    let delay = this.#messages === 0 ? 0 : messageEveryMs;
    for (let i = 0; i < this.#wanted.length; i += this.#perMessage, delay += messageEveryMs) {
      const { text, acks } = venue.subscribe(this.#wanted.slice(i, i + this.#perMessage), ++this.#messages);
      this.#acksDue += acks;
      if (delay === 0) this.#socket.send(text);
      else this.#asking.push(clock.after(delay, () => this.#socket.send(text)));
    }
    this.#expectAnswer(delay + timings.handshakeMs);
  }

  #expectAnswer(withinMs: number): void {
    const giveUp = () => {
      if (this.#state !== 'live') this.#end('the venue did not answer in time');
    };
    this.#asking.push(this.#options.clock.after(withinMs, giveUp));
  }

  #cancelAsking(): void {
    for (const cancel of this.#asking) cancel();
    this.#asking = [];
  }

  #ping(): void {
    const { clock, timings } = this.#options;
    if (clock.now() - this.#heardAt > 2 * timings.pingEveryMs) this.#end('nothing came for too long');
    else this.#socket.ping();
  }

  #heard(): void {
    this.#heardAt = this.#options.clock.now();
  }

  #receive(data: RawData): void {
    this.frames++;
    if (this.#state === 'closed') return;
    this.#heard();
    let messages: readonly VenueMessage[];
    try {
      messages = this.#options.venue.parse(String(data));
    } catch (error) {
      this.#options.hooks.nonsense(error instanceof Error ? error.message : String(error));
      return;
    }
    for (const message of messages) {
      if (message.kind === 'subscribed') this.#acknowledged();
      else if (message.kind === 'refused') this.#refused(message.native, message.whole);
      this.#options.hooks.message(message);
    }
  }

  /** One symbol must not hold up the others: they are asked for again without it, or one by one where it is not named. */
  #refused(native: string | null, isWhole: boolean): void {
    if (this.#state !== 'subscribing') return;
    const isAnswer = !isWhole || (native === null && this.#perMessage === 1);
    if (isAnswer) this.#acknowledged();
    else this.#askAgain(native);
  }

  #askAgain(without: string | null): void {
    if (without === null) this.#perMessage = 1;
    const wanted = this.#wanted.filter((native) => native !== without);
    if (without !== null && wanted.length === this.#wanted.length) return;
    this.#wanted = wanted;
    this.#subscribe();
    if (wanted.length === 0) this.#acknowledged();
  }

  #acknowledged(): void {
    if (--this.#acksDue > 0 || this.#state !== 'subscribing') return;
    this.#state = 'live';
    this.#liveSince = this.#options.clock.now();
    this.#options.hooks.live();
  }

  #end(why: string): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    for (const cancel of this.#timers) cancel();
    this.#socket.terminate();
    this.#options.hooks.closed(why);
  }
}
