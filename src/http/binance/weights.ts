import type { Clock } from '../../kit/clock.js';

/** Far above what polling needs: a guard, where Binance has 6,000. */
export const WEIGHT_LIMIT = 1_200_000;
const MINUTE_MS = 60_000;

/** Request weight of each address in the minute that is under way. */
export class Weights {
  readonly #used = new Map<string, number>();
  #minute = 0;

  constructor(
    readonly limit: number,
    readonly clock: Clock,
  ) {}

  /** @returns the weight used, this request included, and in how many seconds it is forgotten. */
  add(address: string, weight: number): { readonly used: number; readonly secondsLeft: number } {
    const now = this.clock.now();
    const minute = Math.floor(now / MINUTE_MS);
    if (minute !== this.#minute) this.#used.clear();
    this.#minute = minute;
    const used = (this.#used.get(address) ?? 0) + weight;
    this.#used.set(address, used);
    return { used, secondsLeft: Math.max(1, Math.ceil(((minute + 1) * MINUTE_MS - now) / 1000)) };
  }
}
