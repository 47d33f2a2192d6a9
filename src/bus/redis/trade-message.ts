import { FRACTION_UNITS, WHOLE_LIMIT } from '../../kit/decimal.js';
import { isSymbol } from '../../market/symbol.js';
import type { Trade } from '../../market/trade.js';

/** `recent`: what was before, for those who begin to listen; the others have it already. */
export interface TradeMessage {
  readonly recent: boolean;
  readonly trades: readonly Trade[];
}

/** A longer one is not ours. */
const MESSAGE_CHARACTERS = 4 * 1024 * 1024;

/** A JSON array: whether it is what was before, then the trades as arrays of numbers. */
export function encodeTrades({ recent, trades }: TradeMessage): string {
  return `[${recent},[${trades.map(encodeTrade).join(',')}]]`;
}

/** null: it is none of ours. */
export function decodeTrades(symbol: string, text: string): TradeMessage | null {
  if (text.length > MESSAGE_CHARACTERS) return null;
  const message = parse(text);
  if (!Array.isArray(message) || message.length !== 2) return null;
  const [recent, rows] = message as unknown[];
  if (typeof recent !== 'boolean' || !Array.isArray(rows)) return null;
  const trades = rows.map((row) => decodeTrade(symbol, row)).filter((trade) => trade !== null);
  return trades.length === rows.length ? { recent, trades } : null;
}

/** Of the channel on which subscribers say whose trades they want. */
export function decodeDemand(text: string): string | null {
  return isSymbol(text) ? text : null;
}

function encodeTrade(trade: Trade): string {
  const { id, time, priceWhole, priceFraction, quantityWhole, quantityFraction, takerSide } = trade;
  return `[${id},${time},${priceWhole},${priceFraction},${quantityWhole},${quantityFraction},${takerSide === 'buy' ? 1 : 0}]`;
}

function decodeTrade(symbol: string, row: unknown): Trade | null {
  if (!Array.isArray(row) || row.length !== 7 || !row.every((value) => Number.isSafeInteger(value) && value >= 0))
    return null;
  const [id, time, priceWhole, priceFraction, quantityWhole, quantityFraction, buy] = row as Seven;
  const isDecimal = (whole: number, fraction: number): boolean => whole < WHOLE_LIMIT && fraction < FRACTION_UNITS;
  if (!isDecimal(priceWhole, priceFraction) || !isDecimal(quantityWhole, quantityFraction) || buy > 1) return null;
  const takerSide = buy === 1 ? 'buy' : 'sell';
  return { symbol, id, time, priceWhole, priceFraction, quantityWhole, quantityFraction, takerSide };
}

type Seven = [number, number, number, number, number, number, number];

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
