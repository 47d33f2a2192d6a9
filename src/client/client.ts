import { CandleChannel } from './candle-channel.js';
import { CandleConsumer } from './candle-consumer.js';
import { Hub } from './hub.js';
import type { Place } from './items.js';
import { Link } from './link.js';
import { Listener, type Outlet, Stream } from './outlets.js';
import { ReplayRun } from './replay.js';
import { ACK_ID, DEFAULT_DEVICE, SignalChannel } from './signal-channel.js';
import { SignalConsumer } from './signal-consumer.js';
import { StatusChannel } from './status-channel.js';
import type {
  CandleItem,
  CandleOptions,
  ClientOptions,
  ConnectionState,
  EndOptions,
  Interval,
  ReplayOptions,
  SignalItem,
  SignalOptions,
  StatusItem,
  StatusOptions,
  Subscription,
} from './types.js';

interface Joined {
  /** It has a connection of its own. */
  readonly isApart?: boolean;
  leave(): void;
}

/**
 * A client of one server, or of any of a cluster. It connects when something is asked for, comes back by itself and goes on where it was,
 * and is gone when nothing is asked for any more: nothing of it then keeps a process alive.
 */
export class Client {
  readonly #options: ClientOptions;
  readonly #link: Link;
  readonly #hub: Hub;
  readonly #candles = new Map<string, CandleChannel>();
  #signals: SignalChannel | null = null;
  #status: StatusChannel | null = null;
  /** Outlets of everything that goes on, and what takes each away. */
  readonly #open = new Map<Outlet<never>, Joined>();
  readonly #stateListeners = new Set<(state: ConnectionState) => void>();
  #isClosed = false;
  readonly #forget: () => void;

  /** Does not connect yet. @throws TypeError for an address that is none. */
  constructor(options: ClientOptions) {
    this.#options = options;
    this.#hub = new Hub(
      (message) => this.#link.send(message),
      (isStale) => this.#link.setSourceStale(isStale),
    );
    this.#link = new Link(options, {
      onState: (state) => {
        for (const listener of [...this.#stateListeners]) listener(state);
      },
      onReady: () => this.#hub.up(),
      onDown: () => {
        this.#hub.down();
        this.#signals?.down();
      },
      onMessage: (message) => {
        if ((message.type === 'acked' || message.type === 'error') && message.id === ACK_ID)
          this.#signals?.answered(message);
        else this.#hub.receive(message);
      },
      onLook: (heartbeatMs) => this.#hub.look(heartbeatMs),
      onFailed: (error) => this.#endAll(error),
    });
    this.#forget = onAbort(options.signal, () => this.close());
  }

  get state(): ConnectionState {
    return this.#link.state;
  }

  /** Of the last ping, ms; null until known. */
  get roundTripMs(): number | null {
    return this.#link.roundTripMs;
  }

  /** What to add to this machine's clock to get the server's, ms. */
  get clockOffsetMs(): number {
    return this.#link.clockOffsetMs;
  }

  /** Calls for each change. @returns what ends that. */
  onState(listener: (state: ConnectionState) => void): () => void {
    this.#stateListeners.add(listener);
    return () => this.#stateListeners.delete(listener);
  }

  /** Connects now, where it waits to. */
  retryNow(): void {
    this.#link.retryNow();
  }

  /**
   * History, then live, for `for await`: nothing missing, nothing twice, gaps told before what comes after them. What waits for a slow
   * reader is whole but for updates of the open candle that newer ones have replaced. Throws CandlecastError where it is of no use to go on.
   */
  candles(symbol: string, interval: Interval, options: CandleOptions = {}): AsyncIterableIterator<CandleItem> {
    return this.#stream(options, isSuperseded, (outlet) => this.#joinCandles({ symbol, interval }, options, outlet));
  }

  /** The same for a function, which gets what belongs together at once: all of the history first, then mostly one at a time. */
  onCandles(
    symbol: string,
    interval: Interval,
    options: CandleOptions & EndOptions,
    listener: (items: readonly CandleItem[]) => void,
  ): Subscription {
    return this.#listen(options, listener, (outlet) => this.#joinCandles({ symbol, interval }, options, outlet));
  }

  /**
   * Stored candles of several channels in one order of time, with the messages that live has, over a connection of its own. Ends when all has been read.
   * The cursor of its last item is where `candles` goes on, without a seam.
   */
  replay(options: ReplayOptions): AsyncIterableIterator<CandleItem> {
    const isNever = (): boolean => false;
    return this.#stream(options, isNever, (outlet) => new ReplayRun(this.#options, options, outlet));
  }

  /** The same for a function; `onEnd` tells when it is over. */
  onReplay(options: ReplayOptions & EndOptions, listener: (items: readonly CandleItem[]) => void): Subscription {
    return this.#listen(options, listener, (outlet) => new ReplayRun(this.#options, options, outlet));
  }

  /** The user's own signals, at least once each; needs a token. */
  signals(options: SignalOptions = {}): AsyncIterableIterator<SignalItem> {
    const join = (outlet: Outlet<SignalItem>): Joined => this.#joinSignals(options, outlet);
    return this.#stream(options, () => false, join, options.ack === 'manual' ? undefined : acknowledge);
  }

  onSignals(options: SignalOptions & EndOptions, listener: (item: SignalItem) => void): Subscription {
    const each = (items: readonly SignalItem[]): void => {
      for (const item of items) {
        listener(item);
        if (options.ack !== 'manual') acknowledge(item);
      }
    };
    return this.#listen(options, each, (outlet) => this.#joinSignals(options, outlet));
  }

  /** Health of every symbol's feed: all, then what changes. */
  status(options: StatusOptions = {}): AsyncIterableIterator<StatusItem> {
    const isSame = (last: StatusItem, next: StatusItem): boolean => last.symbol === next.symbol;
    return this.#stream(options, isSame, (outlet) => this.#joinStatus(outlet));
  }

  onStatus(options: StatusOptions & EndOptions, listener: (items: readonly StatusItem[]) => void): Subscription {
    return this.#listen(options, listener, (outlet) => this.#joinStatus(outlet));
  }

  /** Ends every stream and the connection. It cannot be used again. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#forget();
    this.#endAll(null);
    this.#restSoon();
  }

  #stream<T>(
    { signal }: { readonly signal?: AbortSignal },
    supersedes: (last: T, next: T) => boolean,
    join: (outlet: Outlet<T>) => Joined,
    onTaken?: (item: T) => void,
  ): Stream<T> {
    const begin = (stream: Stream<T>): (() => void) => {
      const end = this.#begin(stream, join);
      const forget = onAbort(signal, () => void stream.return());
      return () => {
        forget();
        end();
      };
    };
    return new Stream<T>(begin, supersedes, onTaken);
  }

  #listen<T>(
    { signal, onEnd }: { readonly signal?: AbortSignal } & EndOptions,
    listener: (items: readonly T[]) => void,
    join: (outlet: Outlet<T>) => Joined,
  ): Subscription {
    let forget = (): void => {};
    let leave = (): void => {};
    const outlet = new Listener<T>(listener, (error) => {
      forget();
      leave();
      if (onEnd !== undefined) onEnd(error);
      else if (error !== null) throwLater(error);
    });
    leave = this.#begin(outlet, join);
    forget = onAbort(signal, () => outlet.end(null));
    return { close: () => outlet.end(null) };
  }

  /** @returns what takes the outlet away. */
  #begin<T>(outlet: Outlet<T>, join: (outlet: Outlet<T>) => Joined): () => void {
    if (this.#isClosed) {
      outlet.end(null);
      return () => {};
    }
    const joined = join(outlet);
    this.#open.set(outlet, joined);
    if (joined.isApart !== true) this.#link.start();
    return () => {
      if (!this.#open.delete(outlet)) return;
      joined.leave();
      this.#restSoon();
    };
  }

  /** Nothing is asked for any more; somebody else may come in the same turn. The last acknowledgement is waited for. */
  #restSoon(): void {
    queueMicrotask(() => {
      const isIdle = [...this.#open.values()].every(({ isApart }) => isApart === true);
      if (!isIdle || this.#signals !== null) return;
      if (this.#isClosed) this.#link.stop('closed');
      else if (this.state.kind !== 'failed') this.#link.stop('idle');
    });
  }

  #joinCandles(place: Place, options: CandleOptions, outlet: Outlet<CandleItem>): Joined {
    const name = `candles:${place.symbol}:${place.interval}${options.closedOnly === true ? ':closed' : ''}`;
    let channel = this.#candles.get(name);
    if (channel === undefined) {
      channel = new CandleChannel(name, this.#hub, () => this.#candles.delete(name));
      this.#candles.set(name, channel);
    }
    const own = channel;
    const rest = { restUrl: (): string => this.#link.restUrl, token: (refresh: boolean) => this.#token(refresh) };
    const consumer = new CandleConsumer(place, options, outlet, rest, {
      pauses: (isPaused) => own.pauses(isPaused),
      fails: (error) => {
        consumer.end(error);
        own.leave(consumer);
      },
    });
    own.join(consumer);
    return {
      leave: () => {
        consumer.end(null);
        own.leave(consumer);
      },
    };
  }

  #joinSignals(options: SignalOptions, outlet: Outlet<SignalItem>): Joined {
    const device = options.device ?? DEFAULT_DEVICE;
    this.#signals ??= new SignalChannel(device, this.#hub, () => {
      this.#signals = null;
      this.#restSoon();
    });
    const channel = this.#signals;
    const consumer = new SignalConsumer(options, outlet, {
      acks: () => channel.ack(),
      pauses: (isPaused) => channel.pauses(isPaused),
    });
    channel.join(consumer, device);
    return {
      leave: () => {
        consumer.end(null);
        channel.leave(consumer);
      },
    };
  }

  #joinStatus(outlet: Outlet<StatusItem>): Joined {
    this.#status ??= new StatusChannel(this.#hub, () => {
      this.#status = null;
    });
    const channel = this.#status;
    channel.join(outlet);
    return { leave: () => channel.leave(outlet) };
  }

  async #token(refresh: boolean): Promise<string | null> {
    const { token } = this.#options;
    return typeof token === 'function' ? await token({ refresh }) : (token ?? null);
  }

  #endAll(error: Error | null): void {
    for (const [outlet, joined] of [...this.#open]) {
      outlet.end(error);
      this.#open.delete(outlet);
      joined.leave();
    }
  }
}

/** An error that nobody asked to be told of is not swallowed. */
function throwLater(error: Error): void {
  queueMicrotask(() => {
    throw error;
  });
}

/** An update of the open candle that waits gives way to whatever comes next of its candle. */
function isSuperseded(last: CandleItem, next: CandleItem): boolean {
  return last.type === 'candle' && !last.x && next.type === 'candle' && next.t >= last.t;
}

function acknowledge(item: SignalItem): void {
  if (item.type === 'signal') item.ack();
}

function onAbort(signal: AbortSignal | undefined, run: () => void): () => void {
  if (signal === undefined) return () => {};
  if (signal.aborted) {
    queueMicrotask(run);
    return () => {};
  }
  signal.addEventListener('abort', run, { once: true });
  return () => signal.removeEventListener('abort', run);
}
