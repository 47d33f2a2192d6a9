import { asText, isFields, plainNumber } from './json.js';
import type { RawTrade } from './venue.js';

/** Trades of one millisecond that get a number of their own. */
const PER_MS = 4096;
const KEPT_MS = 10 * 60_000;

/**
 * Ids that are safe integers are kept. Others (UUIDs, more than 53 bits, none at all) are replaced by the time and the place among
 * the trades of that millisecond, the same for a trade whenever it comes again.
 */
export class CcxtIds {
  readonly #byTime = new Map<number, Map<string, number>>();

  id(text: string, timeMs: number, otherwise: string): string {
    if (/^\d{1,16}$/.test(text) && Number(text) <= Number.MAX_SAFE_INTEGER) return text;
    let places = this.#byTime.get(timeMs);
    if (places === undefined) {
      places = new Map();
      this.#byTime.set(timeMs, places);
      this.#forget(timeMs - KEPT_MS);
    }
    const key = text === '' ? otherwise : text;
    const place = places.get(key) ?? places.size;
    places.set(key, place);
    return String(timeMs * PER_MS + Math.min(place, PER_MS - 1));
  }

  #forget(before: number): void {
    for (const time of this.#byTime.keys()) {
      if (time >= before) return;
      this.#byTime.delete(time);
    }
  }
}

/** A trade as ccxt has it, with `number = String`; parts that are missing become empty, and are refused later. */
export function fromCcxt(item: unknown, ids: CcxtIds): RawTrade {
  if (!isFields(item)) return { id: '', time: '', price: '', quantity: '', side: '' };
  const { timestamp } = item;
  const [price, quantity, side] = [
    plainNumber(asText(item.price)),
    plainNumber(asText(item.amount)),
    asText(item.side),
  ];
  if (typeof timestamp !== 'number' || !Number.isSafeInteger(timestamp))
    return { id: '', time: '', price, quantity, side };
  const id = ids.id(asText(item.id), timestamp, `${price} ${quantity} ${side}`);
  return { id, time: String(timestamp), price, quantity, side };
}
