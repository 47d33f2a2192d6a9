import type { Clock } from '../../kit/clock.js';
import type { Log } from '../../kit/log.js';
import { Connection, type ConnectionOptions } from './connection.js';
import { backoffMs, type Timings } from './timings.js';
import type { Venue, VenueMessage } from './venue.js';

export interface LineOptions {
  readonly venue: Venue;
  readonly url: string;
  readonly natives: readonly string[];
  readonly timings: Timings;
  readonly clock: Clock;
  readonly log: Log;
  /** In [0, 1). */
  readonly random: () => number;
  message(message: VenueMessage): void;
  nonsense(reason: string): void;
}

/**
 * Keeps one set of subscriptions alive, whatever becomes of its connections: one that ends is followed by another after a
 * jittered wait; one that is about to be cut, or has stalled, is replaced while it still runs, and both overlap.
 */
export class Line {
  readonly #options: LineOptions;
  /** The one that carries the line; null while there is none. */
  #current: Connection | null = null;
  /** The one that is to take its place. */
  #next: Connection | null = null;
  #attempt = 0;
  #stopped = false;
  #replacedAt = Number.NEGATIVE_INFINITY;
  #cancelRetry: () => void = () => {};
  #cancelRotation: () => void = () => {};
  readonly #closing = new Set<Connection>();
  #framesOfPast = 0;

  constructor(options: LineOptions) {
    this.#options = options;
  }

  get natives(): readonly string[] {
    return this.#options.natives;
  }

  /** Since when trades come without a break (epoch ms); null while they do not. */
  get liveSince(): number | null {
    return this.#current?.state === 'live' ? this.#current.liveSince : null;
  }

  /** A connection is being made. */
  get isConnecting(): boolean {
    return this.#next !== null && this.#next.state !== 'live';
  }

  get frames(): number {
    return this.#framesOfPast + this.#connections.reduce((sum, { frames }) => sum + frames, 0);
  }

  /** How many connections there are, those that are being made among them. */
  get open(): number {
    return this.#connections.length;
  }

  get #connections(): Connection[] {
    return [this.#current, this.#next, ...this.#closing].filter((connection) => connection !== null);
  }

  start(): void {
    this.#open();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelRetry();
    this.#cancelRotation();
    for (const connection of this.#connections) connection.close('stopped');
  }

  /** Opens another connection beside the present one, and lets go of that when the other is live. */
  replace(why: string): void {
    const { clock, timings, log, venue } = this.#options;
    if (this.#stopped || this.#next !== null || this.#current === null) return;
    if (clock.now() - this.#replacedAt < timings.replaceEveryMs) return;
    this.#replacedAt = clock.now();
    log.info({ venue: venue.name, symbols: this.natives.length, why }, 'replacing a connection to the venue');
    this.#open();
  }

  #open(): void {
    const { url, venue, natives, timings, clock, message, nonsense } = this.#options;
    this.#cancelRetry();
    const closing = (it: VenueMessage) => {
      message(it);
      if (it.kind === 'closing') this.replace('the venue is about to close it');
    };
    const hooks: ConnectionOptions['hooks'] = {
      message: closing,
      nonsense,
      live: () => this.#live(connection),
      closed: (why) => this.#closed(connection, why),
    };
    const connection: Connection = new Connection({ venue, url, natives, timings, clock, hooks });
    this.#next = connection;
  }

  #live(connection: Connection): void {
    const { clock, timings, log, venue } = this.#options;
    const old = this.#current;
    this.#current = connection;
    this.#next = null;
    this.#planRotation();
    log.info({ venue: venue.name, symbols: this.natives.length, overlapped: old !== null }, 'connected to the venue');
    if (old === null) return;
    this.#closing.add(old);
    clock.after(timings.overlapMs, () => old.close('replaced'));
  }

  /** Jittered, so that the lines of many nodes do not move together. */
  #planRotation(): void {
    const { clock, timings, venue, random } = this.#options;
    this.#cancelRotation();
    const life = venue.limits.connectionLifeMs;
    if (life === null) return;
    const delay = life - timings.beforeCutMs * (1 + random());
    this.#cancelRotation = clock.after(delay, () => this.replace('it is near the end of its life'));
  }

  #closed(connection: Connection, why: string): void {
    const { clock, timings, log, venue } = this.#options;
    this.#framesOfPast += connection.frames;
    if (this.#closing.delete(connection)) return;
    const lived = clock.now() - connection.liveSince;
    if (connection === this.#current) this.#current = null;
    if (connection === this.#next) this.#next = null;
    if (this.#stopped) return;
    log.warn({ venue: venue.name, symbols: this.natives.length, why }, 'a connection to the venue has ended');
    if (lived >= timings.settledMs) this.#attempt = 0;
    if (this.#next === null) this.#retry();
  }

  #retry(): void {
    const { clock, timings, random } = this.#options;
    this.#cancelRetry();
    this.#cancelRetry = clock.after(backoffMs(this.#attempt++, random(), timings), () => this.#open());
  }
}
