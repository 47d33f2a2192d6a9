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
  #heardAt: number;
  #liveSince = Number.POSITIVE_INFINITY;
  /** Frames that were received. */
  frames = 0;
  readonly #timers: (() => void)[] = [];

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const { url, clock, timings } = options;
    this.#heardAt = clock.now();
    this.#socket = new WebSocket(url, { maxPayload: MAX_FRAME_BYTES, perMessageDeflate: false });
    this.#socket.on('open', () => this.#subscribe());
    this.#socket.on('message', (data) => this.#receive(data));
    this.#socket.on('pong', () => this.#heard());
    this.#socket.on('ping', () => this.#heard());
    this.#socket.on('close', (code) => this.#end(`closed by the venue (${code})`));
    // The close that follows says it too, but not why.
    this.#socket.on('error', (error) => this.#end(error.message));
    const giveUp = () => {
      if (this.#state !== 'live') this.#end('the venue did not answer in time');
    };
    this.#timers.push(clock.after(timings.handshakeMs, giveUp));
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

  #subscribe(): void {
    if (this.#state !== 'connecting') return;
    const { venue, natives, clock, timings } = this.#options;
    this.#state = 'subscribing';
    this.#heard();
    const { symbolsPerSubscribe, messageEveryMs } = venue.limits;
    for (let i = 0, number = 1; i < natives.length; i += symbolsPerSubscribe, number++) {
      const { text, acks } = venue.subscribe(natives.slice(i, i + symbolsPerSubscribe), number);
      this.#acksDue += acks;
      const send = () => this.#socket.send(text);
      if (number === 1) send();
      else this.#timers.push(clock.after((number - 1) * messageEveryMs, send));
    }
    this.#timers.push(clock.every(timings.pingEveryMs, () => this.#ping()));
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
      this.#options.hooks.message(message);
    }
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
