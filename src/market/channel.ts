import { INTERVALS, type Interval, isInterval } from './interval.js';
import { isSymbol, SYMBOL_PATTERN, SYMBOL_RULE } from './symbol.js';

/** Names of native channels: `candles:{symbol}:{interval}`, `candles:{symbol}:{interval}:closed`, `status`, `signals` (the caller's own). */
export type Channel =
  | {
      readonly kind: 'candles';
      readonly name: string;
      readonly symbol: string;
      readonly interval: Interval;
      readonly closedOnly: boolean;
    }
  | { readonly kind: 'status'; readonly name: string }
  | { readonly kind: 'signals'; readonly name: string };

export const CHANNEL_RULE =
  '"candles:{symbol}:{interval}", "candles:{symbol}:{interval}:closed", "status" or "signals"';

/** What `parseChannel` takes, for those who can only read a pattern. */
export const CHANNEL_PATTERN = new RegExp(
  `^(status|signals|candles:${SYMBOL_PATTERN.source.slice(1, -1)}:(${INTERVALS.join('|')})(:closed)?)$`,
);

/** @returns the channel, or a sentence that says what is wrong with the name. */
export function parseChannel(name: string): Channel | string {
  if (name === 'status') return { kind: 'status', name };
  if (name === 'signals') return { kind: 'signals', name };
  const parts = name.split(':');
  if (parts[0] !== 'candles' || parts.length < 3 || parts.length > 4)
    return `no such channel: a channel is ${CHANNEL_RULE}`;
  const [, symbol = '', interval = '', suffix] = parts;
  if (!isSymbol(symbol)) return `bad symbol: a symbol is ${SYMBOL_RULE}`;
  if (!isInterval(interval)) return `bad interval: one of ${INTERVALS.join(' ')}`;
  if (suffix !== undefined && suffix !== 'closed') return `no such channel: a channel is ${CHANNEL_RULE}`;
  return { kind: 'candles', name, symbol, interval, closedOnly: suffix === 'closed' };
}
