import type { HotWindow, MarketEvent, SymbolStatus } from '../market/event.js';
import type { Interval } from '../market/interval.js';
import type { Position } from '../market/position.js';
import type { Bus, ChannelKey, EventsListener, StatusListener } from './bus.js';
import { Demand } from './demand.js';

/** Answers with the published state, consistent with what `publish` has been given so far; null: no such symbol. */
export type WindowOf = (symbol: string, interval: Interval) => Promise<HotWindow | null>;

/** The bus of a single process: delivery is a function call in the publisher's turn. */
export class LocalBus implements Bus {
  /** The process is its own bus. */
  readonly up = true;
  readonly #windowOf: WindowOf;
  readonly #demand = new Demand();
  readonly #eventListeners = new Set<EventsListener>();
  readonly #statusListeners = new Set<StatusListener>();
  readonly #positions = new Map<string, Map<Interval, Position>>();
  readonly #statuses = new Map<string, SymbolStatus>();

  constructor(windowOf: WindowOf) {
    this.#windowOf = windowOf;
  }

  wants(symbol: string, interval: Interval): boolean {
    return this.#demand.has(symbol, interval);
  }

  publish(events: readonly MarketEvent[]): void {
    for (const event of events) this.#remember(event);
    const wanted = events.filter((event) => this.#demand.has(event.symbol, event.interval));
    if (wanted.length === 0) return;
    for (const listener of this.#eventListeners) listener(wanted);
  }

  async subscribe(symbol: string, interval: Interval): Promise<void> {
    this.#demand.add(symbol, interval);
  }

  unsubscribe(symbol: string, interval: Interval): void {
    this.#demand.remove(symbol, interval);
  }

  onEvents(listener: EventsListener): () => void {
    this.#eventListeners.add(listener);
    return () => this.#eventListeners.delete(listener);
  }

  window(symbol: string, interval: Interval): Promise<HotWindow | null> {
    return this.#windowOf(symbol, interval);
  }

  async positions(channels: readonly ChannelKey[]): Promise<readonly (Position | null)[]> {
    return channels.map(({ symbol, interval }) => this.#positions.get(symbol)?.get(interval) ?? null);
  }

  onUp(): () => void {
    return () => {};
  }

  publishStatus(changed: readonly SymbolStatus[]): void {
    if (changed.length === 0) return;
    for (const status of changed) this.#statuses.set(status.symbol, status);
    for (const listener of this.#statusListeners) listener(changed);
  }

  onStatus(listener: StatusListener): () => void {
    this.#statusListeners.add(listener);
    return () => this.#statusListeners.delete(listener);
  }

  statuses(): readonly SymbolStatus[] {
    return [...this.#statuses.values()].sort((a, b) => (a.symbol < b.symbol ? -1 : 1));
  }

  #remember({ kind, symbol, interval, epoch, seq }: MarketEvent): void {
    if (kind === 'update') return;
    const known = this.#positions.get(symbol);
    if (known) known.set(interval, { epoch, seq });
    else this.#positions.set(symbol, new Map([[interval, { epoch, seq }]]));
  }
}
