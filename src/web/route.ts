import { type Interval, isInterval } from '../market/interval.js';
import { isSymbol } from '../market/symbol.js';

/** What the address names: `#BTCDEMO/1m`. */
export interface Route {
  readonly symbol: string | null;
  readonly interval: Interval;
}

const DEFAULT_INTERVAL: Interval = '1m';

/** Reads the hash; what is malformed falls back to "no symbol" and one minute. */
export function parseRoute(hash: string): Route {
  const [symbol = '', interval = ''] = decode(hash.replace(/^#/, '')).split('/');
  const name = symbol.toUpperCase();
  return { symbol: isSymbol(name) ? name : null, interval: isInterval(interval) ? interval : DEFAULT_INTERVAL };
}

export function formatRoute(symbol: string, interval: Interval): string {
  return `#${symbol}/${interval}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}
