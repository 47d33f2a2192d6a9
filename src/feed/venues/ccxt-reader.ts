import type { Trade } from '../../market/trade.js';
import type { Quarantine } from '../quarantine.js';
import { type Fault, FUTURE_TOLERANCE_MS, isFault, readTrade } from '../validate.js';
import { CcxtIds, fromCcxt } from './ccxt-trade.js';
import type { RawTrade } from './venue.js';

/** A trade that REST has told of. */
export interface Told {
  readonly time: number;
  readonly id: number;
  /** null: it could not be read. */
  readonly trade: Trade | null;
  /** It could not be read, and the answer before did not have it. */
  readonly lost: boolean;
}

/** What REST answered. */
export interface Answer {
  /** By time, then id. */
  readonly told: readonly Told[];
  /** There were some of which not even the time is known, and which the answer before did not have. */
  readonly untimed: boolean;
}

/** The trades of one symbol as ccxt gives them. */
export class CcxtReader {
  readonly #ids = new CcxtIds();
  /** What could not be read of the latest answer. */
  #refused: ReadonlySet<string> = new Set();

  constructor(
    readonly symbol: string,
    readonly native: string,
    readonly quarantine: Quarantine,
  ) {}

  /** Those that can be read; REST tells of the others again. */
  streamed(items: readonly unknown[], nowMs: number): Trade[] {
    const trades: Trade[] = [];
    for (const item of items) {
      const trade = this.#read(fromCcxt(item, this.#ids), nowMs);
      if (isFault(trade)) this.#note(trade, nowMs);
      else trades.push(trade);
    }
    return trades.sort(inOrder);
  }

  answered(items: readonly unknown[], nowMs: number): Answer {
    const told: Told[] = [];
    const refused = new Set<string>();
    let untimed = false;
    for (const item of items) {
      const raw = fromCcxt(item, this.#ids);
      const trade = this.#read(raw, nowMs);
      if (!isFault(trade)) {
        told.push({ time: trade.time, id: trade.id, trade, lost: false });
        continue;
      }
      const key = `${raw.id} ${raw.time} ${raw.price} ${raw.quantity} ${raw.side}`;
      const lost = !this.#refused.has(key);
      refused.add(key);
      if (lost) this.#note(trade, nowMs);
      const isTimed = trade.reason !== 'bad_time' && trade.reason !== 'bad_id';
      if (isTimed) told.push({ time: Number(raw.time), id: Number(raw.id), trade: null, lost });
      else untimed ||= lost;
    }
    this.#refused = refused;
    return { told: told.sort(inOrder), untimed };
  }

  #read({ id, time, price, quantity, side }: RawTrade, nowMs: number): Trade | Fault {
    return readTrade(this.symbol, id, time, price, quantity, side, nowMs + FUTURE_TOLERANCE_MS);
  }

  #note({ reason, message }: Fault, nowMs: number): void {
    this.quarantine.add(reason, message, { symbol: this.native }, nowMs);
  }
}

function inOrder(a: Pick<Told, 'time' | 'id'>, b: Pick<Told, 'time' | 'id'>): number {
  return a.time - b.time || a.id - b.id;
}
