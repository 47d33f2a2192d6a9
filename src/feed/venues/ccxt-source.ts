import { isSymbol, SYMBOL_RULE } from '../../market/symbol.js';
import { readSymbols } from './sources.js';

/** Symbols of an exchange that ccxt connects to, as ccxt writes them. */
export interface CcxtSource {
  readonly exchange: string;
  readonly natives: readonly string[];
  readonly suffix: string;
}

const FORM = 'ccxt:EXCHANGE:SYMBOL,…, such as ccxt:okx:BTC/USDT';

/** Reads `EXCHANGE:SYMBOL,…`. @returns the source, or what is wrong with it. */
export function readCcxtSource(text: string, suffix: string): CcxtSource | string {
  const at = text.indexOf(':');
  const exchange = text.slice(0, Math.max(0, at));
  if (!/^[a-z0-9]+$/.test(exchange)) return `it must be ${FORM}`;
  const natives = readSymbols(text.slice(at + 1));
  if (typeof natives === 'string') return `${natives}: ${FORM}`;
  const wrong = natives.find((native) => !isSymbol(`${ccxtSymbol(native)}${suffix}`));
  if (wrong !== undefined)
    return `symbol "${wrong}" must be as ccxt writes it, such as BTC/USDT; it becomes ${SYMBOL_RULE}`;
  return { exchange, natives, suffix };
}

/** BTC/USDT is BTC-USDT with us, and the swap BTC/USDT:USDT is BTC-USDT_USDT. */
export function ccxtSymbol(native: string): string {
  return native.replaceAll('/', '-').replaceAll(':', '_');
}
