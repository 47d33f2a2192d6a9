import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { SymbolStatus } from '../market/event.js';
import type { SymbolEntry } from '../store/timescale/symbols.js';

const RETRY_MS = 5000;

/** Every symbol that is fed or stored. New ones are written to the database in the background, until it takes them. */
export class SymbolRegistry {
  readonly #write: (entries: readonly SymbolEntry[]) => Promise<void>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #statuses = new Map<string, SymbolStatus>();
  #unwritten: SymbolEntry[] = [];
  #writing = false;

  constructor(write: (entries: readonly SymbolEntry[]) => Promise<void>, clock: Clock, log: Log) {
    this.#write = write;
    this.#clock = clock;
    this.#log = log;
  }

  has(symbol: string): boolean {
    return this.#statuses.has(symbol);
  }

  /** By name. */
  all(): SymbolStatus[] {
    return [...this.#statuses.values()].sort((a, b) => (a.symbol < b.symbol ? -1 : 1));
  }

  /** A symbol that the database has already; no feed brings it until it says so. */
  addStored(status: SymbolStatus): void {
    this.#statuses.set(status.symbol, status);
  }

  update(status: SymbolStatus): void {
    const known = this.#statuses.get(status.symbol);
    this.#statuses.set(status.symbol, status);
    if (known?.source === status.source) return;
    this.#unwritten.push({ symbol: status.symbol, source: status.source, synthetic: status.synthetic });
    if (!this.#writing) void this.#flush();
  }

  async #flush(): Promise<void> {
    this.#writing = true;
    while (this.#unwritten.length > 0) {
      const entries = this.#unwritten;
      this.#unwritten = [];
      try {
        await this.#write(entries);
      } catch (error) {
        this.#unwritten = [...entries, ...this.#unwritten];
        this.#log.warn({ err: error, symbols: this.#unwritten.length }, 'new symbols wait for the database');
        await new Promise<void>((resolve) => this.#clock.after(RETRY_MS, resolve));
      }
    }
    this.#writing = false;
  }
}
