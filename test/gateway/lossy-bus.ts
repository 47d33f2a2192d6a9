import type { Bus, ChannelKey, EventsListener, StatusListener } from '../../src/bus/bus.js';
import { LocalBus } from '../../src/bus/local.js';
import { HistoryUnavailable } from '../../src/gateway/history.js';
import type { HotWindow, MarketEvent, SymbolStatus } from '../../src/market/event.js';
import type { Interval } from '../../src/market/interval.js';
import type { Position } from '../../src/market/position.js';
import type { TestMarket } from './market.js';

/** A bus between a market and one node that fails as Redis does: it goes away, comes back, forgets; nothing is delivered meanwhile. */
export class LossyBus implements Bus {
  up = true;
  /** It has lost its memory, and the writer has not filled it again. */
  empty = false;
  /** Where it stands instead, as a replica that was behind. */
  rolledBack: Position | null = null;
  positionCalls = 0;
  windowCalls = 0;
  readonly #local: LocalBus;
  readonly #upListeners = new Set<(up: boolean) => void>();

  constructor(readonly market: TestMarket) {
    this.#local = new LocalBus((symbol, interval) => this.#window(symbol, interval));
  }

  setUp(up: boolean): void {
    if (up === this.up) return;
    this.up = up;
    for (const listener of this.#upListeners) listener(up);
  }

  publish(events: readonly MarketEvent[]): void {
    if (this.up) this.#local.publish(events);
  }

  /** One connection is back and the other is not: messages come, and nothing can be asked. */
  publishWhileAway(events: readonly MarketEvent[]): void {
    this.#local.publish(events);
  }

  /** What was under way when it went away. */
  deliverLate(events: readonly MarketEvent[]): void {
    this.#local.publish(events);
  }

  publishStatus(changed: readonly SymbolStatus[]): void {
    this.#local.publishStatus(changed);
  }

  wants(symbol: string, interval: Interval): boolean {
    return this.#local.wants(symbol, interval);
  }

  async subscribe(symbol: string, interval: Interval): Promise<void> {
    this.#check();
    await this.#local.subscribe(symbol, interval);
  }

  unsubscribe(symbol: string, interval: Interval): void {
    this.#local.unsubscribe(symbol, interval);
  }

  onEvents(listener: EventsListener): () => void {
    return this.#local.onEvents(listener);
  }

  window(symbol: string, interval: Interval): Promise<HotWindow | null> {
    return this.#local.window(symbol, interval);
  }

  async positions(channels: readonly ChannelKey[]): Promise<readonly (Position | null)[]> {
    this.positionCalls++;
    this.#check();
    await this.market.delay();
    this.#check();
    if (this.empty) return channels.map(() => null);
    return channels.map(({ symbol, interval }) => {
      if (symbol !== this.market.symbol) return null;
      return this.rolledBack ?? { epoch: this.market.epoch, seq: this.market.lastDurable[interval] ?? 0 };
    });
  }

  onStatus(listener: StatusListener): () => void {
    return this.#local.onStatus(listener);
  }

  statuses(): readonly SymbolStatus[] {
    return this.#local.statuses();
  }

  onUp(listener: (up: boolean) => void): () => void {
    this.#upListeners.add(listener);
    return () => this.#upListeners.delete(listener);
  }

  async #window(symbol: string, interval: Interval): Promise<HotWindow | null> {
    this.windowCalls++;
    this.#check();
    if (this.empty) throw new HistoryUnavailable('not stored again yet');
    const window = await this.market.windowOf(symbol, interval);
    this.#check();
    return window && { ...window, ...this.rolledBack };
  }

  #check(): void {
    if (!this.up) throw new Error('the bus is away');
  }
}
