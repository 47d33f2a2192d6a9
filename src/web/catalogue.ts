import type { SymbolStatus } from '../market/event.js';
import { fetchSymbols, type SymbolInfo } from './api.js';

const RETRY_MS = 3_000;

/** The symbols there are, from `GET /v1/symbols`, and from the feeds' health for those that appear later. */
export class Catalogue {
  readonly #symbols = new Map<string, SymbolInfo>();
  readonly #onChange: () => void;
  #retry: ReturnType<typeof setTimeout> | undefined;
  /** The server has answered at least once. */
  loaded = false;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  get all(): readonly SymbolInfo[] {
    return [...this.#symbols.values()].sort((a, b) => (a.symbol < b.symbol ? -1 : 1));
  }

  get(symbol: string): SymbolInfo | undefined {
    return this.#symbols.get(symbol);
  }

  async load(): Promise<void> {
    clearTimeout(this.#retry);
    try {
      const symbols = await fetchSymbols();
      for (const info of symbols) this.#symbols.set(info.symbol, info);
      this.loaded = true;
      this.#onChange();
    } catch {
      this.#retry = setTimeout(() => void this.load(), RETRY_MS);
    }
  }

  learn(statuses: readonly SymbolStatus[]): void {
    const unknown = statuses.filter((status) => !this.#symbols.has(status.symbol));
    for (const { symbol, source, synthetic } of unknown) this.#symbols.set(symbol, { symbol, source, synthetic });
    if (unknown.length > 0) this.#onChange();
  }
}
