import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { SymbolEntry } from '../store/timescale/symbols.js';

const RETRY_MS = 5000;

/** Makes symbols that feeds bring known to the database, in the background, until it takes them. */
export class SymbolWriter {
  readonly #write: (entries: readonly SymbolEntry[]) => Promise<void>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #sources = new Map<string, string>();
  #unwritten: SymbolEntry[] = [];
  #writing = false;

  constructor(write: (entries: readonly SymbolEntry[]) => Promise<void>, clock: Clock, log: Log) {
    this.#write = write;
    this.#clock = clock;
    this.#log = log;
  }

  /** Waits until they are written: a restart must know the symbols of candles that were published. */
  async register(entries: readonly SymbolEntry[]): Promise<void> {
    await this.#write(entries);
    for (const { symbol, source } of entries) this.#sources.set(symbol, source);
  }

  note({ symbol, source, synthetic }: SymbolEntry): void {
    if (this.#sources.get(symbol) === source) return;
    this.#sources.set(symbol, source);
    this.#unwritten.push({ symbol, source, synthetic });
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
