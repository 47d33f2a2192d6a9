import { fetchCandlesBefore } from './api.js';
import type { Bars } from './bars.js';

const PAGE_CANDLES = 1000;

export type HistoryState = 'idle' | 'loading' | 'complete' | 'failed';

/** Loads pages of older candles in front of the bars, one at a time, until there are none. */
export class History {
  readonly #symbol: string;
  readonly #bars: Bars;
  readonly #onState: (state: HistoryState, detail: string) => void;
  readonly #abort = new AbortController();
  #state: HistoryState = 'idle';

  constructor(symbol: string, bars: Bars, onState: (state: HistoryState, detail: string) => void) {
    this.#symbol = symbol;
    this.#bars = bars;
    this.#onState = onState;
  }

  get state(): HistoryState {
    return this.#state;
  }

  /** Asks for the next page unless one is under way, the last one failed (see `retry`) or the beginning is reached. */
  more(): void {
    if (this.#state === 'idle') void this.#load();
  }

  retry(): void {
    if (this.#state === 'failed') void this.#load();
  }

  cancel(): void {
    this.#abort.abort();
  }

  async #load(): Promise<void> {
    const first = this.#bars.first;
    if (first === undefined) return;
    this.#set('loading', '');
    try {
      const page = await fetchCandlesBefore(
        this.#symbol,
        this.#bars.interval,
        first.t,
        PAGE_CANDLES,
        this.#abort.signal,
      );
      if (this.#abort.signal.aborted) return;
      this.#bars.prepend(page);
      this.#set(page.length === 0 ? 'complete' : 'idle', '');
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#set('failed', error instanceof Error ? error.message : String(error));
    }
  }

  #set(state: HistoryState, detail: string): void {
    this.#state = state;
    this.#onState(state, detail);
  }
}
