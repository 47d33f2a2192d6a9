import type { Shards } from '../../kit/redis-shards.js';
import { slotOf } from '../../kit/redis-slots.js';
import type { SymbolStatus } from '../../market/event.js';
import type { Names } from './names.js';
import { runScript, STATUS } from './scripts.js';

/** Statuses on their way: the latest of each symbol, sent as soon as Redis takes them. An older epoch's are left out there. */
export class StatusOutbox {
  readonly #shards: Shards;
  readonly #names: Names;
  readonly #epochOf: (symbol: string) => number;
  readonly #onDone: () => void;
  readonly #latest = new Map<string, SymbolStatus>();
  #dirty = new Set<string>();
  #sending = 0;
  #scheduled = false;

  /** `onDone`: some were sent, or could not be. */
  constructor(shards: Shards, names: Names, epochOf: (symbol: string) => number, onDone: () => void) {
    this.#onDone = onDone;
    this.#shards = shards;
    this.#names = names;
    this.#epochOf = epochOf;
  }

  get isIdle(): boolean {
    return this.#sending === 0 && !this.#scheduled;
  }

  set(changed: readonly SymbolStatus[]): void {
    for (const status of changed) {
      this.#latest.set(status.symbol, status);
      this.#dirty.add(status.symbol);
    }
    if (changed.length > 0) this.retry();
  }

  resend(symbol: string): void {
    if (!this.#latest.has(symbol)) return;
    this.#dirty.add(symbol);
    this.retry();
  }

  resendAll(): void {
    for (const symbol of this.#latest.keys()) this.#dirty.add(symbol);
    this.retry();
  }

  forget(symbol: string): void {
    this.#latest.delete(symbol);
    this.#dirty.delete(symbol);
  }

  /** Sends what has not arrived, in the next turn of the loop. */
  retry(): void {
    if (this.#scheduled || this.#dirty.size === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      void this.#send();
    });
  }

  async #send(): Promise<void> {
    const node = this.#shards.of(slotOf(this.#names.statuses));
    if (node === null || this.#dirty.size === 0) return;
    const symbols = this.#dirty;
    this.#dirty = new Set();
    const args = [this.#names.statusLive];
    for (const symbol of symbols) {
      const status = this.#latest.get(symbol);
      if (status) args.push(symbol, String(this.#epochOf(symbol)), JSON.stringify(status));
    }
    this.#sending++;
    try {
      await runScript(node, STATUS, [this.#names.statuses], args);
    } catch {
      for (const symbol of symbols) if (this.#latest.has(symbol)) this.#dirty.add(symbol);
    }
    this.#sending--;
    this.#onDone();
  }
}
