import { readTrade } from '../../../src/feed/validate.js';
import type { RawTrade } from '../../../src/feed/venues/venue.js';
import type { Trade } from '../../../src/market/trade.js';

/** mulberry32: small, seeded, good enough for scripts. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  next = (): number => {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };

  int(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  chance(p: number): boolean {
    return this.next() < p;
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.int(0, items.length - 1)] ?? items[0];
  }
}

/** A true trade: what the venue has, whatever it sends. */
export interface TrueTrade {
  readonly native: string;
  readonly id: number;
  readonly time: number;
  readonly price: string;
  readonly quantity: string;
  readonly side: 'buy' | 'sell';
}

export interface MarketPlan {
  readonly native: string;
  readonly from: number;
  readonly to: number;
  readonly firstId: number;
  /** Ids may jump now and then, at venues where that happens. */
  readonly skips: boolean;
}

/** Bursts, quiet minutes and trades of the same millisecond. */
export function trueTrades(plan: MarketPlan, random: Random): TrueTrade[] {
  const trades: TrueTrade[] = [];
  let id = plan.firstId;
  let pace = 1000;
  let price = 1_000_000 + random.int(0, 1_000_000);
  for (let time = plan.from; time < plan.to; ) {
    if (random.chance(0.04)) pace = random.pick([150, 700, 2500, 9000]);
    if (random.chance(0.01)) time += random.int(30_000, 100_000);
    price = Math.max(1000, price + random.int(-500, 500));
    trades.push({
      native: plan.native,
      id,
      time,
      price: `${Math.floor(price / 1000)}.${String(price % 1000).padStart(3, '0')}00000`,
      quantity: `0.${String(random.int(1, 99_999_999)).padStart(8, '0')}`,
      side: random.chance(0.5) ? 'buy' : 'sell',
    });
    id += plan.skips && random.chance(0.02) ? random.int(2, 40) : 1;
    time += random.chance(0.2) ? 0 : random.int(1, 2 * pace);
  }
  return trades.filter(({ time }) => time < plan.to);
}

/** As the engine folds it. */
export function asTrade(symbol: string, trade: TrueTrade): Trade {
  const { price, quantity, side } = trade;
  const read = readTrade(symbol, String(trade.id), String(trade.time), price, quantity, side, Number.MAX_SAFE_INTEGER);
  if ('reason' in read) throw new Error(read.message);
  return read;
}

export function raw(trade: TrueTrade): RawTrade {
  return { ...trade, id: String(trade.id), time: String(trade.time) };
}
