import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { MarketEvent } from '../market/event.js';
import type { Interval } from '../market/interval.js';
import type { Position } from '../market/position.js';
import type { Encoding } from '../wire/codec.js';
import { candleFrame, gapFrame, heartbeatFrame, type Recovery, recoveryFrame } from '../wire/frames.js';
import { answer, type Need, nothingStored, type Stored, type Wanted } from './answer.js';
import { type History, HistoryUnavailable, isHistoryUnavailable } from './history.js';
import { pause } from './pause.js';
import { Published } from './published.js';
import type { SourceBus } from './source-bus.js';
import { StoredReads } from './stored.js';
import { type Outlet, type Source, Topic } from './topic.js';

export interface ChannelDeps {
  readonly bus: SourceBus;
  readonly history: History;
  readonly outlet: Outlet;
  readonly clock: Clock;
  readonly log: Log;
  readonly resumeCandles: number;
}

export class UnknownSymbol extends Error {
  override readonly name = 'UnknownSymbol';
}

/** Windows loaded in a row that all miss something, before the last one is taken for the truth. */
const WINDOW_ATTEMPTS = 3;
const RELOAD_PAUSE_MS = 1000;
/** Above this the oldest buffered events are let go: the hole they leave makes the window load again. */
const PENDING_EVENTS = 10_000;

/**
 * One (symbol, interval): follows its events, knows its topics. While `live` is null, events are buffered and the
 * window is (re)loaded; from the turn in which it is set, every event is published in the turn it arrives in.
 */
export class CandleChannel implements Source {
  live: Published | null = null;
  refs = 0;
  /** clock time of the last release that left no refs. */
  idleSince = 0;
  readonly stored: StoredReads;
  readonly #topics: Topic<CandleChannel>[] = [];
  #pending: MarketEvent[] = [];
  #loading: Promise<void>;
  /** What was live before the hole that is being healed. */
  #before: Published | null = null;
  /** Let go of for good. */
  gone = false;

  constructor(
    readonly symbol: string,
    readonly interval: Interval,
    readonly deps: ChannelDeps,
  ) {
    this.stored = new StoredReads(symbol, interval, deps.history, deps.outlet.stats);
    this.#loading = this.#load();
  }

  /** Where its subscribers stand; while a hole is healed, before the hole. */
  get position(): Position | null {
    return this.live ?? this.#before;
  }

  /** Resolves when `live` has been set. Rejects with UnknownSymbol, or with what kept the window from loading. */
  whenLive(): Promise<void> {
    return this.#loading;
  }

  retain(): void {
    this.refs++;
  }

  release(): void {
    this.refs--;
    if (this.refs === 0) this.idleSince = this.deps.clock.now();
  }

  /** Ends what is under way; the hub has let go of it. */
  drop(): void {
    this.gone = true;
    this.live = null;
    this.deps.bus.unsubscribe(this.symbol, this.interval);
  }

  topic(channel: string, encoding: Encoding, closedOnly: boolean): Topic<CandleChannel> {
    const known = this.#topics.find((topic) => topic.encoding === encoding && topic.closedOnly === closedOnly);
    if (known) return known;
    const topic = new Topic<CandleChannel>(this, channel, encoding, closedOnly);
    this.#topics.push(topic);
    return topic;
  }

  accept(event: MarketEvent): void {
    if (this.live === null) this.#buffer(event);
    else this.#follow(this.live, event);
  }

  heartbeat(): void {
    for (const topic of this.#topics) {
      if (topic.subscribers > 0 && !topic.spoke && this.live)
        topic.publish(heartbeatFrame(topic.encoding, topic.channel, this.live), 'heartbeat', this.deps.outlet);
      topic.spoke = false;
    }
  }

  #follow(live: Published, event: MarketEvent): void {
    const before = live.seq;
    const applied = live.apply(event);
    if (applied === 'applied') this.#publish(live, event, before);
    else if (applied === 'hole') this.#heal(live, event);
  }

  #publish(live: Published, event: MarketEvent, prev: number): void {
    for (const topic of this.#topics) {
      if (topic.subscribers === 0 || (topic.closedOnly && event.kind === 'update')) continue;
      const { encoding, channel } = topic;
      const frame =
        event.kind === 'gap'
          ? gapFrame(encoding, channel, live.epoch, prev, event.gap)
          : candleFrame(encoding, channel, live.epoch, live.seq, event.kind === 'closed' ? prev : null, event.candle);
      topic.publish(frame, event.kind, this.deps.outlet);
    }
  }

  #buffer(event: MarketEvent): void {
    this.#pending.push(event);
    if (this.#pending.length > PENDING_EVENTS) this.#pending.splice(0, PENDING_EVENTS / 2);
  }

  async #load(): Promise<void> {
    await this.deps.bus.subscribe(this.symbol, this.interval);
    this.#goLive(await this.#loadWindow());
  }

  #goLive(published: Published): void {
    this.#pending = [];
    this.#before = null;
    if (!this.gone) this.live = published;
  }

  /** A window with all that was buffered applied to it; the caller takes it over in the same turn. */
  async #loadWindow(): Promise<Published> {
    for (let attempt = 1; ; attempt++) {
      const window = await this.deps.bus.window(this.symbol, this.interval);
      if (window === null) throw new UnknownSymbol(this.symbol);
      const published = new Published(this.interval, window);
      if (this.#replay(published, attempt === WINDOW_ATTEMPTS)) return published;
    }
  }

  #replay(published: Published, force: boolean): boolean {
    for (const event of this.#pending) {
      if (published.apply(event) !== 'hole') continue;
      if (!force) return false;
      this.deps.log.error(
        { symbol: this.symbol, interval: this.interval, seq: event.seq },
        'events do not join the window',
      );
      published.force(event);
    }
    return true;
  }

  #heal(old: Published, event: MarketEvent): void {
    const { log, outlet } = this.deps;
    outlet.stats.heals++;
    log.warn({ symbol: this.symbol, interval: this.interval, seq: old.seq, next: event.seq }, 'events were missed');
    this.live = null;
    this.#before = old;
    this.#pending = [event];
    this.#loading = this.#reload(old);
  }

  async #reload(old: Published): Promise<void> {
    while (!this.gone) {
      try {
        return await this.#recover(old);
      } catch (error) {
        this.deps.log.warn({ symbol: this.symbol, interval: this.interval, error }, 'the window does not load');
        await pause(this.deps.clock, RELOAD_PAUSE_MS);
      }
    }
  }

  /** Sends all subscribers what they missed, as one `resync`, and goes on in the same turn. */
  async #recover(old: Published): Promise<void> {
    const wanted = { snapshot: null, atOnce: false, position: { epoch: old.epoch, seq: old.seq } };
    const stored = nothingStored();
    for (let attempt = 1; ; attempt++) {
      const next = await this.#loadWindow();
      const result = answer(next, wanted, stored, this.deps.resumeCandles);
      if (typeof result !== 'string') {
        this.#publishResync(next, result);
        return this.#goLive(next);
      }
      await this.#readForHeal(result, wanted, stored, next, attempt);
    }
  }

  /** Live does not wait for a store that is away or behind: what cannot be read is `recovered: false`. */
  async #readForHeal(need: Need, wanted: Wanted, stored: Stored, next: Published, attempt: number): Promise<void> {
    try {
      if (attempt > WINDOW_ATTEMPTS) throw new HistoryUnavailable('the store is behind');
      await this.stored.read(need, wanted, stored, next, attempt > 1);
    } catch (error) {
      if (!isHistoryUnavailable(error)) throw error;
      stored.missed = 'lost';
      stored.firstEpoch ??= Number.POSITIVE_INFINITY;
    }
  }

  #publishResync(next: Published, recovery: Recovery): void {
    for (const topic of this.#topics) {
      if (topic.subscribers === 0) continue;
      const carried = topic.closedOnly ? { ...recovery, open: null } : recovery;
      topic.publish(recoveryFrame('resync', topic.encoding, topic.channel, next, carried), 'resync', this.deps.outlet);
    }
  }
}
