import { parseDecimal } from '../../kit/decimal.js';
import type { Trade } from '../../market/trade.js';
import { checkSymbol, echo, type Fault, fault, readTrade } from '../validate.js';

/** Doubles hold every decimal of so many digits, and give it back. */
const EXACT_DIGITS = 15;

/** Reads one pushed trade as it came out of JSON. `latestMs`: the latest event time that is believed. */
export function readItem(item: unknown, latestMs: number): Trade | Fault {
  if (typeof item !== 'object' || item === null || Array.isArray(item))
    return fault('bad_shape', `${echo(item)} must be an object {"symbol","id","time","price","quantity","side"}`);
  const get = (name: string): unknown => (Object.hasOwn(item, name) ? Reflect.get(item, name) : undefined);
  const symbol = get('symbol');
  const badSymbol = checkSymbol(symbol);
  if (badSymbol !== null) return badSymbol;
  const price = decimalText(get('price'));
  if (price === null) return fault('bad_price', inexact('price', get('price')));
  const quantity = decimalText(get('quantity'));
  if (quantity === null) return fault('bad_quantity', inexact('quantity', get('quantity')));
  return readTrade(
    String(symbol),
    integerText(get('id')),
    integerText(get('time')),
    price,
    quantity,
    plainText(get('side')),
    latestMs,
  );
}

/** Text of a decimal given as a string or an exact number; null where a number cannot be trusted. */
function decimalText(value: unknown): string | null {
  if (typeof value !== 'number') return plainText(value);
  if (!Number.isFinite(value) || value < 0 || value >= 1e12) return String(value);
  const text = value.toFixed(8);
  const digits = text.replace('.', '').replace(/^0+/, '').replace(/0+$/, '').length;
  const exact = digits <= EXACT_DIGITS && Number(text) === value && parseDecimal(text) !== null;
  return exact ? text : null;
}

function inexact(name: string, value: unknown): string {
  return `${name} ${echo(value)} is a JSON number that may have lost digits: send a string such as "0.00141342"`;
}

function integerText(value: unknown): string {
  return typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : plainText(value);
}

/** What is neither text nor number becomes text that no rule accepts. */
function plainText(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' ? String(value) : echo(value);
}
