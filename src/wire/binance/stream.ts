import { HOUR_MS, INTERVALS, type Interval, isInterval } from '../../market/interval.js';
import { isSymbol, SYMBOL_RULE } from '../../market/symbol.js';

/** A stream by its name, such as `btcusdt@kline_1m`. */
export type Stream = KlineStream | SymbolStream | AllStream;

export interface KlineStream {
  readonly kind: 'kline';
  readonly name: string;
  readonly symbol: string;
  readonly interval: Interval;
  /** Of the zone whose days its buckets follow. */
  readonly offsetMs: number;
}

interface SymbolStream {
  readonly kind: 'trade' | 'aggTrade' | 'ticker' | 'miniTicker';
  readonly name: string;
  readonly symbol: string;
}

interface AllStream {
  readonly kind: 'allTickers' | 'allMiniTickers';
  readonly name: string;
}

/** Of `@kline_<interval>@+08:00`, the only zone that streams have. */
const STREAM_ZONE = '+08:00';
const STREAM_ZONE_MS = 8 * HOUR_MS;
const FORMS =
  '<symbol>@kline_<interval>[@+08:00], @trade, @aggTrade, @miniTicker, @ticker, !miniTicker@arr, !ticker@arr';

/** @returns the stream, or a sentence that says what is wrong with the name. */
export function parseStream(name: string): Stream | string {
  if (name === '!miniTicker@arr') return { name, kind: 'allMiniTickers' };
  if (name === '!ticker@arr') return { name, kind: 'allTickers' };
  const at = name.indexOf('@');
  const lower = at < 0 ? '' : name.slice(0, at);
  const form = at < 0 ? '' : name.slice(at + 1);
  const symbol = lower.toUpperCase();
  if (at < 0 || form === '') return `no such stream; there are ${FORMS}`;
  if (lower !== lower.toLowerCase()) return 'the symbol of a stream is in lower case';
  // Some letters beyond ASCII have one of A-Z for upper case: they would make several names of one stream.
  if (!isSymbol(symbol) || symbol.toLowerCase() !== lower) return `bad symbol: ${SYMBOL_RULE}`;
  if (form === 'trade' || form === 'aggTrade' || form === 'ticker' || form === 'miniTicker')
    return { name, kind: form, symbol };
  return form.startsWith('kline_') ? klineStream(name, symbol, form) : `no such stream; there are ${FORMS}`;
}

function klineStream(name: string, symbol: string, form: string): Stream | string {
  const [interval = '', zone, ...rest] = form.slice('kline_'.length).split('@');
  if (rest.length > 0 || (zone !== undefined && zone !== STREAM_ZONE))
    return `the only zone of streams is ${STREAM_ZONE}`;
  if (!isInterval(interval)) return `bad interval: one of ${INTERVALS.join(' ')}`;
  return { name, kind: 'kline', symbol, interval, offsetMs: zone === undefined ? 0 : STREAM_ZONE_MS };
}
