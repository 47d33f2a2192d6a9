import { bucketEnd, bucketStart, MINUTE_MS } from '../market/interval.js';
import type { ErrorCode } from '../wire/codes.js';
import type { ServerMessage } from '../wire/messages.js';
import { backoffMs } from './backoff.js';
import { CandlecastError } from './errors.js';
import { candleItem, gapItem, type Place, Writer } from './items.js';
import { Link } from './link.js';
import type { Outlet } from './outlets.js';
import { Seen } from './seen.js';
import type { CandleItem, ClientOptions, Position, ReplayOptions } from './types.js';

type Of<T extends ServerMessage['type']> = Extract<ServerMessage, { type: T }>;

type Why = Partial<Pick<Of<'error'>, 'message' | 'plan' | 'limit'>>;

interface Channel extends Place {
  readonly name: string;
  readonly snapshot: number;
  /** Everything up to here was handed over; null: it has not begun. */
  position: Position | null;
  /** What comes on it is of what was asked for last. */
  answered: boolean;
}

/** An item of a subscription with its position takes a good hundred bytes of the 4096 that a message may have. */
const MOST_CHANNELS = 30;
const DEFAULT_BUFFER = 10_000;
const RETRY_FLOOR_MS = 300;
const TEMPORARY: ReadonlySet<ErrorCode> = new Set(['history_unavailable', 'unavailable', 'internal', 'rate_limited']);

/** One replay on a connection of its own: asked for again, from where it stands, whenever it was cut off or its reader has caught up. */
export class ReplayRun {
  readonly isApart = true;
  readonly #link: Link;
  readonly #outlet: Outlet<CandleItem>;
  readonly #options: ReplayOptions;
  readonly #channels: ReadonlyMap<string, Channel>;
  readonly #over = new Set<string>();
  #to: number | undefined;
  /** How far it has come, epoch ms. */
  #time = 0;
  #id = 0;
  #failures = 0;
  #isPaused = false;
  #retry: ReturnType<typeof setTimeout> | undefined;

  /** @throws TypeError for no channels, or too many. */
  constructor(client: ClientOptions, options: ReplayOptions, outlet: Outlet<CandleItem>) {
    const { channels } = options;
    if (channels.length === 0 || channels.length > MOST_CHANNELS)
      throw new TypeError(`a replay has 1 to ${MOST_CHANNELS} channels`);
    this.#options = options;
    this.#to = options.to;
    this.#outlet = outlet;
    this.#channels = new Map(
      channels.map(({ symbol, interval, closedOnly, history = 0 }) => {
        const name = `candles:${symbol}:${interval}${closedOnly === true ? ':closed' : ''}`;
        return [name, { name, symbol, interval, snapshot: history, position: null, answered: false }];
      }),
    );
    this.#link = new Link(client, {
      onState: () => {},
      onReady: () => this.#ask(),
      onDown: () => clearTimeout(this.#retry),
      onMessage: (message) => this.#receive(message),
      onLook: () => {},
      onFailed: (error) => outlet.end(error),
    });
    outlet.onRoom = () => this.#goOnReading();
    this.#link.start();
  }

  leave(): void {
    this.#outlet.onRoom = null;
    clearTimeout(this.#retry);
    this.#link.stop('closed');
  }

  #ask(): void {
    if (this.#isPaused) return;
    const { from, speed = 0 } = this.#options;
    // All that happened before this minute has come: those of it that came too are left out by their positions.
    const start = Math.max(from, this.#time - MINUTE_MS);
    const to = this.#to === undefined ? {} : { to: this.#to };
    for (const channel of this.#channels.values()) channel.answered = false;
    const wanted = [...this.#channels.values()].filter(({ name }) => !this.#over.has(name));
    const channels = wanted.map(({ name: channel, snapshot, position }) =>
      position === null ? { channel, snapshot } : { channel, position },
    );
    this.#link.send({ op: 'subscribe', id: ++this.#id, channels, replay: { from: start, ...to, speed } });
  }

  /** Nothing more of what was asked for; it is asked for anew later. */
  #leaveOff(): void {
    this.#id++;
    this.#link.send({ op: 'unsubscribe', channels: [...this.#channels.keys()] });
  }

  #askLater(): void {
    this.#leaveOff();
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#ask(), RETRY_FLOOR_MS + backoffMs(this.#failures++));
  }

  #receive(message: ServerMessage): void {
    if (message.type === 'error' && message.id === this.#id) this.#failed(message.code, message);
    const channel = 'channel' in message ? this.#channels.get(message.channel ?? '') : undefined;
    if (channel === undefined || this.#isPaused) return;
    if (message.type === 'subscribed' && message.id === this.#id) this.#subscribed(channel, message);
    else if (channel.answered && channel.position !== null) this.#live(channel, channel.position, message);
  }

  #live(channel: Channel, known: Position, message: ServerMessage): void {
    switch (message.type) {
      case 'candle':
        if (message.prev === undefined ? message.seq > known.seq : message.prev > known.seq) this.#missed();
        else if (message.prev === undefined || message.seq > known.seq) this.#candle(channel, message);
        break;
      case 'gap':
        if (message.prev > known.seq) this.#missed();
        else if (message.seq > known.seq) this.#gap(channel, message);
        break;
      case 'replay_end':
        if (message.reason === 'end') this.#ended(channel);
        else this.#failed(message.reason, message);
        break;
      case 'unsubscribed':
        if (message.reason !== undefined) this.#failed(message.reason, message);
        break;
    }
  }

  #subscribed(channel: Channel, message: Of<'subscribed'>): void {
    this.#failures = 0;
    channel.answered = true;
    this.#to = message.replay?.to ?? this.#to;
    if (channel.position !== null) return;
    channel.position = positionOf(message);
    const writer = new Writer(channel, new Seen(), null);
    if (message.limited !== undefined) writer.limited(message.limited);
    writer.write(message.candles, message.gaps);
    this.#give(writer.take(channel.position));
  }

  #candle(channel: Channel, message: Of<'candle'>): void {
    const position = positionOf(message);
    const { t, x } = message.candle;
    channel.position = position;
    if (x) this.#time = Math.max(this.#time, bucketEnd(channel.interval, t));
    this.#give([candleItem(channel, message.candle, false, { position })]);
  }

  #gap(channel: Channel, message: Of<'gap'>): void {
    const position = positionOf(message);
    channel.position = position;
    this.#time = Math.max(this.#time, bucketStart('1m', message.to));
    this.#give([gapItem(channel, message, { position })]);
  }

  #ended({ name }: Channel): void {
    this.#over.add(name);
    if (this.#over.size === this.#channels.size) this.#outlet.finish();
  }

  #missed(): void {
    this.#leaveOff();
    this.#ask();
  }

  /** A server that still holds what was cut off here has room for it again soon. */
  #failed(code: ErrorCode, { message = '', plan, limit }: Why): void {
    const isTemporary = TEMPORARY.has(code) || (code === 'too_many_replays' && this.#hasBegun);
    if (isTemporary) this.#askLater();
    else this.#outlet.end(new CandlecastError(code, message, plan, limit));
  }

  get #hasBegun(): boolean {
    return [...this.#channels.values()].some(({ position }) => position !== null);
  }

  #give(items: readonly CandleItem[]): void {
    this.#outlet.push(items);
    if (this.#isPaused || this.#outlet.waiting <= this.#buffer) return;
    this.#isPaused = true;
    this.#leaveOff();
  }

  get #buffer(): number {
    return this.#options.buffer ?? DEFAULT_BUFFER;
  }

  #goOnReading(): void {
    if (!this.#isPaused || this.#outlet.waiting > this.#buffer / 2) return;
    this.#isPaused = false;
    if (this.#link.isReady) this.#ask();
  }
}

function positionOf({ epoch, seq }: Position): Position {
  return { epoch, seq };
}
