import { formatDecimal, parseDecimal } from '../../kit/decimal.js';
import type { TakerSide, Trade } from '../../market/trade.js';
import { makeTrade } from '../validate.js';

/** A stretch in which a collector was away. */
export interface PushGap {
  readonly symbol: string;
  readonly from: number;
  readonly to: number;
  readonly reason: string;
}

/**
 * What the journal keeps of one request (or part of one): gaps come before the trades. `at`: wall time it came; `live`:
 * those of its symbols that are pushed in real time.
 */
export interface PushRecord {
  readonly at: number;
  readonly collector: string;
  readonly live: readonly string[];
  readonly gaps: readonly PushGap[];
  readonly trades: readonly Trade[];
}

type Row = readonly [string, number, number, string, string, TakerSide];

interface Stored {
  readonly at: number;
  readonly collector: string;
  readonly live: readonly string[];
  readonly gaps: readonly PushGap[];
  readonly trades: readonly Row[];
}

export function encodeRecord(record: PushRecord): string {
  const trades = record.trades.map(
    (t): Row => [
      t.symbol,
      t.id,
      t.time,
      formatDecimal(t.priceWhole, t.priceFraction),
      formatDecimal(t.quantityWhole, t.quantityFraction),
      t.takerSide,
    ],
  );
  const stored: Stored = { ...record, trades };
  return JSON.stringify(stored);
}

/** Reads what `encodeRecord` wrote; its CRC vouches for the shape. */
export function decodeRecord(payload: string): PushRecord {
  const stored: Stored = JSON.parse(payload);
  return { ...stored, trades: stored.trades.map(toTrade) };
}

function toTrade([symbol, id, time, priceText, quantityText, side]: Row): Trade {
  const price = parseDecimal(priceText);
  const quantity = parseDecimal(quantityText);
  if (price === null || quantity === null) throw new Error(`journalled trade ${symbol} ${id} is not a trade`);
  return makeTrade(symbol, id, time, price, quantity, side);
}
