import type { Clock } from '../kit/clock.js';
import type { FeedState } from '../market/event.js';
import type { TradeSink } from './feed.js';

const REFRESH_MS = 5_000;

/** The state of one symbol as it is told to the sink: on every change, and at most every 5 s for newer trade times. */
export class SymbolHealth {
  #state: FeedState = 'starting';
  #since: number;
  #toldAt: number;
  #toldTime: number | null = null;
  lastTradeTime: number | null = null;

  constructor(
    private readonly symbol: string,
    private readonly source: string,
    private readonly synthetic: boolean,
    private readonly sink: TradeSink,
    private readonly clock: Clock,
  ) {
    this.#since = clock.now();
    this.#toldAt = this.#since;
    this.#tell();
  }

  get state(): FeedState {
    return this.#state;
  }

  seen(timeMs: number): void {
    if (this.lastTradeTime === null || timeMs > this.lastTradeTime) this.lastTradeTime = timeMs;
  }

  become(state: FeedState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#since = this.clock.now();
    this.#tell();
  }

  refresh(): void {
    if (this.lastTradeTime !== this.#toldTime && this.clock.now() - this.#toldAt >= REFRESH_MS) this.#tell();
  }

  #tell(): void {
    this.#toldAt = this.clock.now();
    this.#toldTime = this.lastTradeTime;
    this.sink.status({
      symbol: this.symbol,
      source: this.source,
      synthetic: this.synthetic,
      state: this.#state,
      since: this.#since,
      lastTradeTime: this.lastTradeTime,
    });
  }
}
