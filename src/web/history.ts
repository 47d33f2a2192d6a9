import type { WireCandle } from '../wire/messages.js';
import { fetchCandlesBefore } from './api.js';
import { backoffMs } from './backoff.js';
import type { Bars } from './bars.js';

const PAGE_CANDLES = 1000;
/** A page that cannot be had now is asked for again this often before it is said. */
const QUIET_RETRIES = 3;
const RETRY_FLOOR_MS = 1_000;

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
      const page = await this.#fetch(first.t);
      if (this.#abort.signal.aborted) return;
      this.#bars.prepend(page);
      this.#set(page.length === 0 ? 'complete' : 'idle', '');
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#set('failed', error instanceof Error ? error.message : String(error));
    }
  }

  /** The database may be busy with something else, as just after a first start. */
  async #fetch(before: number): Promise<WireCandle[]> {
    for (let failures = 0; ; failures++) {
      try {
        return await fetchCandlesBefore(this.#symbol, this.#bars.interval, before, PAGE_CANDLES, this.#abort.signal);
      } catch (error) {
        if (failures >= QUIET_RETRIES || this.#abort.signal.aborted) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_FLOOR_MS + backoffMs(failures)));
    }
  }

  #set(state: HistoryState, detail: string): void {
    this.#state = state;
    this.#onState(state, detail);
  }
}
