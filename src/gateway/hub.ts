import type { Clock } from '../kit/clock.js';
import type { Channel } from '../market/channel.js';
import type { MarketEvent, SymbolStatus } from '../market/event.js';
import type { Interval } from '../market/interval.js';
import { CandleChannel, type ChannelDeps } from './candle-channel.js';
import type { AnyTopic, Connection } from './connection.js';
import type { SignalHub } from './signal-hub.js';
import { StatusChannel } from './status-channel.js';
import { BusWatch } from './watch.js';

/** All channels: what comes over the bus goes to the one it is for; the first and the last subscriber start and end demand. */
export class Hub {
  readonly status: StatusChannel;
  readonly watch: BusWatch;
  readonly #deps: ChannelDeps;
  readonly #lingerMs: number;
  readonly #bySymbol = new Map<string, Map<Interval, CandleChannel>>();
  readonly #stops: readonly (() => void)[];

  constructor(
    deps: ChannelDeps,
    lingerMs: number,
    readonly signals: SignalHub,
  ) {
    this.#deps = deps;
    this.#lingerMs = lingerMs;
    this.status = new StatusChannel(Math.floor(deps.clock.now() / 1000), deps.bus, deps.outlet);
    this.watch = new BusWatch(deps, this.status, () => this.#all());
    if (!deps.bus.up) this.watch.changed(false);
    this.#stops = [
      deps.bus.onUp((up) => this.watch.changed(up)),
      deps.bus.onEvents((events) => this.#accept(events)),
      deps.bus.onStatus((changed) => this.status.changed(changed)),
    ];
  }

  /** @throws Error for `signals` of a connection that is nobody's. */
  topic(channel: Channel, { encoding, login }: Connection): AnyTopic {
    if (channel.kind === 'status') return this.status.topic(encoding);
    if (channel.kind === 'signals') {
      if (login === null) throw new Error('signals of nobody');
      return this.signals.topic(login.user.id, encoding);
    }
    return this.candles(channel.symbol, channel.interval).topic(channel.name, encoding, channel.closedOnly);
  }

  /** The topic a connection may be subscribed to already; creates nothing. */
  peek(channel: Channel, { encoding, login }: Connection): AnyTopic | null {
    if (channel.kind === 'status') return this.status.topic(encoding);
    if (channel.kind === 'signals') return login && this.signals.peek(login.user.id, encoding);
    const known = this.#bySymbol.get(channel.symbol)?.get(channel.interval);
    return known?.topic(channel.name, encoding, channel.closedOnly) ?? null;
  }

  heartbeat(): void {
    this.status.heartbeat();
    this.signals.heartbeat();
    for (const channel of this.#all()) channel.heartbeat();
  }

  /** Frees channels that nobody wanted for a while. */
  sweep(nowMs: number): void {
    this.signals.sweep(nowMs, this.#lingerMs);
    for (const channel of this.#all())
      if (channel.refs === 0 && nowMs - channel.idleSince >= this.#lingerMs) this.#drop(channel);
  }

  /** Channels in memory. */
  get size(): number {
    let count = 0;
    for (const intervals of this.#bySymbol.values()) count += intervals.size;
    return count;
  }

  stop(): void {
    for (const stop of this.#stops) stop();
    this.signals.stop();
    for (const channel of [...this.#all()]) this.#drop(channel);
  }

  /** The channel, which is let go of when nobody retains it for a while. */
  candles(symbol: string, interval: Interval): CandleChannel {
    return this.find(symbol, interval) ?? this.#create(symbol, interval);
  }

  /** null: it is not in memory. */
  find(symbol: string, interval: Interval): CandleChannel | null {
    return this.#bySymbol.get(symbol)?.get(interval) ?? null;
  }

  /** Of every symbol, as its feed says. */
  statuses(): readonly SymbolStatus[] {
    return this.#deps.bus.statuses();
  }

  get clock(): Clock {
    return this.#deps.clock;
  }

  #create(symbol: string, interval: Interval): CandleChannel {
    const channel = new CandleChannel(symbol, interval, this.#deps);
    channel.idleSince = this.#deps.clock.now();
    const intervals = this.#bySymbol.get(symbol);
    if (intervals) intervals.set(interval, channel);
    else this.#bySymbol.set(symbol, new Map([[interval, channel]]));
    channel.whenLive().catch(() => this.#drop(channel));
    return channel;
  }

  #drop(channel: CandleChannel): void {
    const intervals = this.#bySymbol.get(channel.symbol);
    if (intervals?.get(channel.interval) !== channel) return;
    intervals.delete(channel.interval);
    if (intervals.size === 0) this.#bySymbol.delete(channel.symbol);
    channel.drop();
  }

  #accept(events: readonly MarketEvent[]): void {
    const { arrived, handed } = this.#deps.outlet.stats;
    const now = this.#deps.clock.now();
    let last: MarketEvent | null = null;
    for (const event of events) {
      const channel = this.find(event.symbol, event.interval);
      if (channel === null) continue;
      if (isNews(event, channel)) {
        arrived.note(event, now);
        last = event;
      }
      channel.accept(event);
    }
    if (last !== null) handed.note(last, this.#deps.clock.now());
  }

  *#all(): Iterable<CandleChannel> {
    for (const intervals of this.#bySymbol.values()) yield* intervals.values();
  }
}

/** What a channel is told of a quiet symbol, so that it knows the open candle, has nothing of the present in it. */
function isNews(event: MarketEvent, { live }: CandleChannel): boolean {
  if (live === null || event.kind === 'gap') return false;
  return event.kind === 'closed' || (event.candle.lastTradeTime ?? 0) > (live.open?.lastTradeTime ?? 0);
}
