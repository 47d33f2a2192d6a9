import { type Decimal, parseDecimal } from '../kit/decimal.js';
import { isSymbol, SYMBOL_RULE } from '../market/symbol.js';
import type { TakerSide, Trade } from '../market/trade.js';

/** Why a trade was quarantined: a countable reason and a sentence that says what was wrong and what would be right. */
export interface Fault {
  readonly reason: FaultReason;
  readonly message: string;
}

export type FaultReason =
  | 'bad_shape'
  | 'bad_symbol'
  | 'bad_id'
  | 'bad_time'
  | 'bad_price'
  | 'bad_quantity'
  | 'bad_side';

/** The day of Bitcoin's first block: nothing traded before. */
export const EARLIEST_MS = Date.UTC(2009, 0, 3);
/** How far a venue's clock may be ahead of ours. */
export const FUTURE_TOLERANCE_MS = 10_000;
const ECHO_LENGTH = 40;

const DECIMAL_RULE =
  'a plain decimal above zero with at most 12 digits before and 8 after the point, such as "0.00141342"';

/** Makes a trade of its parts as text. `latestMs`: the latest event time that is believed (epoch ms). */
export function readTrade(
  symbol: string,
  idText: string,
  timeText: string,
  priceText: string,
  quantityText: string,
  side: string,
  latestMs: number,
): Trade | Fault {
  const id = parseInteger(idText);
  if (id === null) return fault('bad_id', `trade id ${echo(idText)} must be an integer from 0 to 2^53-1`);
  const time = parseInteger(timeText);
  if (time === null || time < EARLIEST_MS || time > latestMs) return badTime(timeText, latestMs);
  const price = positive(priceText);
  if (price === null) return fault('bad_price', `price ${echo(priceText)} must be ${DECIMAL_RULE}`);
  const quantity = positive(quantityText);
  if (quantity === null) return fault('bad_quantity', `quantity ${echo(quantityText)} must be ${DECIMAL_RULE}`);
  if (side !== 'buy' && side !== 'sell') return fault('bad_side', `side ${echo(side)} must be "buy" or "sell"`);
  return makeTrade(symbol, id, time, price, quantity, side);
}

export function makeTrade(
  symbol: string,
  id: number,
  time: number,
  price: Decimal,
  quantity: Decimal,
  takerSide: TakerSide,
): Trade {
  return {
    symbol,
    id,
    time,
    priceWhole: price.whole,
    priceFraction: price.fraction,
    quantityWhole: quantity.whole,
    quantityFraction: quantity.fraction,
    takerSide,
  };
}

export function isFault(value: Trade | Fault): value is Fault {
  return 'reason' in value;
}

export function fault(reason: FaultReason, message: string): Fault {
  return { reason, message };
}

export function checkSymbol(value: unknown): Fault | null {
  if (typeof value === 'string' && isSymbol(value)) return null;
  return fault('bad_symbol', `symbol ${echo(value)} must be ${SYMBOL_RULE}`);
}

/** A digit string as a safe integer; null where it is none. */
export function parseInteger(text: string): number | null {
  if (text.length === 0 || text.length > 16) return null;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return null;
    value = value * 10 + digit;
  }
  return value <= Number.MAX_SAFE_INTEGER ? value : null;
}

/** A short printable rendering of an offending value; objects are only named, never printed. */
export function echo(value: unknown): string {
  if (value === undefined) return '(missing)';
  if (value === null || typeof value === 'boolean' || typeof value === 'number') return String(value);
  if (typeof value !== 'string') return Array.isArray(value) ? '(an array)' : '(an object)';
  const text = value.length > ECHO_LENGTH ? `${value.slice(0, ECHO_LENGTH)}…` : value;
  return JSON.stringify(text.replace(/[^\x20-\x7e…]/g, '?'));
}

function positive(text: string): Decimal | null {
  const value = parseDecimal(text);
  return value === null || (value.whole === 0 && value.fraction === 0) ? null : value;
}

function badTime(text: string, latestMs: number): Fault {
  const to = new Date(latestMs).toISOString();
  return fault('bad_time', `time ${echo(text)} must be epoch milliseconds between 2009-01-03 and ${to}`);
}
