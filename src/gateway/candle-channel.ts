import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { MarketEvent } from '../market/event.js';
import type { Interval } from '../market/interval.js';
import type { Position } from '../market/position.js';
import type { Encoding } from '../wire/codec.js';
import type { AtMost } from './at-most.js';
import { type CandleTopic, ChannelTopics } from './channel-topics.js';
import { heal } from './heal.js';
import { type History, HistoryUnavailable } from './history.js';
import type { Kept } from './missed.js';
import { backoff, pause } from './pause.js';
import { Published } from './published.js';
import type { SourceBus } from './source-bus.js';
import { StoredReads } from './stored.js';
import type { Outlet, Source } from './topic.js';
import type { Turns } from './turns.js';

export interface ChannelDeps {
  readonly bus: SourceBus;
  readonly history: History;
  readonly outlet: Outlet;
  readonly clock: Clock;
  readonly log: Log;
  readonly resumeCandles: number;
  /** How long a subscriber waits for the bus. */
  readonly catchUpMs: number;
  /** Loads of windows, of all channels. */
  readonly loads: AtMost;
  /** Answers that waited for the store. */
  readonly turns: Turns;
  readonly kept: Kept;
  readonly random: () => number;
}

export class UnknownSymbol extends Error {
  override readonly name = 'UnknownSymbol';
}

/** Above this the oldest buffered events are let go: the hole they leave makes the window load again. */
const PENDING_EVENTS = 10_000;
/** What the bus has but has not delivered yet may still be on its way. */
const ON_ITS_WAY_MS = 100;
const CATCH_UP_PAUSE_MS = 50;

/**
 * One (symbol, interval): follows its events, knows its topics. `live` is null until the first window is there; from the
 * turn in which it is set, every event is published in the turn it arrives in. Where something is missing, events are
 * buffered until a window has brought it, and `live` stays where the subscribers stand: before the hole.
 */
export class CandleChannel implements Source {
  live: Published | null = null;
  refs = 0;
  /** clock time of the last release that left no refs. */
  idleSince = 0;
  /** Something arrived since the last round of comparing with the bus. */
  heard = true;
  /** Let go of for good. */
  gone = false;
  readonly stored: StoredReads;
  readonly topics: ChannelTopics;
  #stale = false;
  /** Events that wait for a window; null: none does. */
  #pending: MarketEvent[] | null = [];
  readonly #first: Promise<void>;
  #catchingUp: Promise<boolean> | null = null;

  constructor(
    readonly symbol: string,
    readonly interval: Interval,
    readonly deps: ChannelDeps,
  ) {
    this.stored = new StoredReads(symbol, interval, deps);
    this.topics = new ChannelTopics(this, deps.outlet);
    this.#first = this.#start();
  }

  /** Resolves when `live` has been set. Rejects with UnknownSymbol, or with HistoryUnavailable where the window does not load in time. */
  whenLive(): Promise<void> {
    return this.#first;
  }

  /** What the subscribers have may be old: the bus is away, or has not been heard to agree since. */
  get stale(): boolean {
    return this.#stale;
  }

  /** Something is missing, and a window that brings it is on its way. */
  get healing(): boolean {
    return this.live !== null && this.#pending !== null;
  }

  get position(): Position | null {
    return this.live;
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
    this.stored.drop();
    this.#setStale(false);
    this.deps.bus.unsubscribe(this.symbol, this.interval);
  }

  topic(channel: string, encoding: Encoding, closedOnly: boolean): CandleTopic {
    return this.topics.get(channel, encoding, closedOnly);
  }

  accept(event: MarketEvent): void {
    this.heard = true;
    if (this.#pending !== null) this.#buffer(this.#pending, event);
    else if (this.live !== null) this.#follow(this.live, event);
  }

  heartbeat(): void {
    if (this.live) this.topics.quietHeartbeat(this.live, this.#stale);
  }

  /** Says so to everybody at once, each time it is called. */
  beStale(): void {
    if (this.live === null) return;
    this.#setStale(true);
    this.topics.heartbeat(this.live, true);
  }

  /** Nothing is missing. */
  beFresh(): void {
    if (this.live === null || !this.#stale) return;
    this.#setStale(false);
    this.topics.heartbeat(this.live, false);
  }

  /** Takes what the bus said is its position; `asked` is where the channel stood when it was asked. */
  compare(asked: Position, said: Position | null): void {
    const { live } = this;
    if (live === null || this.healing) return;
    if (said === null || said.epoch < asked.epoch || said.seq < asked.seq) {
      // It has lost its memory, or never had any. What came from it is right, but is there more?
      if (this.#stale) this.heal();
    } else if (said.seq > live.seq) {
      void this.#healUnlessItComes(said);
    } else {
      if (said.seq === live.seq) live.adopt(said.epoch);
      this.beFresh();
    }
  }

  /**
   * Waits a moment and asks the bus whether there is more; once for all who want to know.
   * @returns true: there was none. false: there was, or the bus cannot tell.
   */
  catchUp(): Promise<boolean> {
    this.#catchingUp ??= this.#catchUp().finally(() => {
      this.#catchingUp = null;
    });
    return this.#catchingUp;
  }

  /** Loads the window again and sends all subscribers what they missed, if anything; while the bus is away, once it is back. */
  heal(): void {
    const { live } = this;
    if (live === null || this.#pending !== null) return;
    if (!this.deps.bus.up) {
      this.#setStale(true);
      return;
    }
    this.#pending = [];
    void heal(this, live);
  }

  /** A window with all that is buffered applied to it; null: something between them is missing. The caller takes it over in the same turn. */
  async loadWindow(): Promise<Published | null> {
    const window = await this.deps.bus.window(this.symbol, this.interval);
    if (window === null) throw new UnknownSymbol(this.symbol);
    const published = new Published(this.interval, window);
    for (const event of this.#pending ?? []) if (published.apply(event) === 'hole') return null;
    return published;
  }

  /** All that is buffered is in it. */
  goLive(published: Published): void {
    this.#pending = null;
    if (this.gone) return;
    this.live = published;
    this.#setStale(!this.deps.bus.up);
  }

  /** Goes on from where it stands: with what is buffered, if that joins. */
  goOn(): void {
    const pending = this.#pending ?? [];
    this.#pending = null;
    for (const event of pending) this.accept(event);
  }

  /** The bus went away meanwhile: what is missing will show when it is back. */
  giveUp(): void {
    this.#pending = null;
    this.#setStale(true);
  }

  #setStale(stale: boolean): void {
    if (stale === this.#stale) return;
    this.#stale = stale;
    this.deps.outlet.stats.staleChannels += stale ? 1 : -1;
  }

  #follow(live: Published, event: MarketEvent): void {
    const before = live.seq;
    const applied = live.apply(event);
    if (applied === 'applied') this.topics.event(live, event, before);
    else if (applied === 'outdated') this.deps.outlet.stats.outdatedEvents++;
    else if (applied === 'hole') {
      const { symbol, interval } = this;
      this.deps.log.info({ symbol, interval, seq: before, next: event.seq }, 'events were missed');
      this.heal();
      // While the bus is away nothing can be healed: what is missing will show when it is back.
      if (this.#pending !== null) this.#buffer(this.#pending, event);
    }
  }

  #buffer(pending: MarketEvent[], event: MarketEvent): void {
    pending.push(event);
    if (pending.length > PENDING_EVENTS) pending.splice(0, PENDING_EVENTS / 2);
  }

  async #start(): Promise<void> {
    const { bus, clock, loads, random, catchUpMs } = this.deps;
    const deadline = clock.now() + catchUpMs;
    for (let attempt = 0; ; attempt++) {
      try {
        await bus.subscribe(this.symbol, this.interval);
        if (await loads.run(() => this.#load())) return;
      } catch (error) {
        if (error instanceof UnknownSymbol) throw error;
        if (clock.now() >= deadline) throw this.#tooLate(error);
      }
      if (this.gone) throw new HistoryUnavailable('the channel was let go of');
      await backoff(clock, attempt, random);
    }
  }

  #tooLate(error: unknown): HistoryUnavailable {
    const { symbol, interval } = this;
    this.deps.log.warn({ symbol, interval, error }, 'the window does not load');
    return new HistoryUnavailable('the window does not load', { cause: error });
  }

  async #load(): Promise<boolean> {
    const published = await this.loadWindow();
    if (published !== null) this.goLive(published);
    return published !== null;
  }

  async #healUnlessItComes(said: Position): Promise<void> {
    await pause(this.deps.clock, ON_ITS_WAY_MS);
    if (this.live !== null && said.seq > this.live.seq) this.heal();
  }

  async #catchUp(): Promise<boolean> {
    const { bus, clock } = this.deps;
    await pause(clock, CATCH_UP_PAUSE_MS);
    const { live } = this;
    if (live === null || this.healing || !bus.up) return false;
    const asked = { epoch: live.epoch, seq: live.seq };
    const said = await this.#ask().catch(() => null);
    if (said === null || this.live !== live) return false;
    this.compare(asked, said);
    return !this.#stale && said.seq === asked.seq && said.epoch === asked.epoch;
  }

  /** The window of a channel that nobody feeds tells what no position does. */
  async #ask(): Promise<Position | null> {
    const { bus, loads } = this.deps;
    const [said] = await bus.positions([this]);
    return said ?? (await loads.run(() => bus.window(this.symbol, this.interval)));
  }
}
