import type { SymbolStatus } from '../market/event.js';

/** Every symbol that is fed or stored, as it stands. */
export class SymbolRegistry {
  readonly #statuses = new Map<string, SymbolStatus>();

  has(symbol: string): boolean {
    return this.#statuses.has(symbol);
  }

  /** By name. */
  all(): SymbolStatus[] {
    return [...this.#statuses.values()].sort((a, b) => (a.symbol < b.symbol ? -1 : 1));
  }

  /** A symbol that the database has; no feed brings it until one says so. */
  addStored(status: SymbolStatus): void {
    if (!this.#statuses.has(status.symbol)) this.#statuses.set(status.symbol, status);
  }

  update(statuses: readonly SymbolStatus[]): void {
    for (const status of statuses) this.#statuses.set(status.symbol, status);
  }
}
