import { isSymbol, SYMBOL_RULE } from '../market/symbol.js';
import { type CcxtSource, ccxtSymbol, readCcxtSource } from './venues/ccxt-source.js';
import { isVenueName, readSource, VENUE_EXAMPLES, VENUE_OPTIONS } from './venues/sources.js';
import type { VenueSource } from './venues/venue-feed.js';

/** One entry of FEEDS. `speed` of a replay: times real time; 0 = as fast as it goes. */
export type FeedSpec =
  | { readonly kind: 'demo'; readonly seed: number }
  | { readonly kind: 'replay'; readonly file: string; readonly speed: number; readonly symbol: string }
  | { readonly kind: 'push' }
  | { readonly kind: 'venue'; readonly source: VenueSource }
  | { readonly kind: 'ccxt'; readonly source: CcxtSource };

export type ParsedFeeds = { readonly specs: readonly FeedSpec[] } | { readonly errors: readonly string[] };

const FORMS =
  '"demo", "push", "replay:FILE?speed=N&symbol=S", "binance:BTCUSDT", "coinbase:BTC-USD", "kraken:BTC/USD" or "ccxt:EXCHANGE:BTC/USDT"';
const MAX_SPEED = 1_000_000;
const MAX_SEED = 0xffff_ffff;
const DEFAULT_SEED = 1;

/** Parses FEEDS, a list separated by ";". @returns the specs, or every error: each names the entry and what would be right. */
export function parseFeeds(text: string): ParsedFeeds {
  const entries = text
    .split(';')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
  if (entries.length === 0) return { errors: [`no feed is named: a feed is ${FORMS}`] };
  const parsed = entries.map(parseEntry);
  const errors = parsed.filter((item) => typeof item === 'string');
  const specs = parsed.filter((item) => typeof item !== 'string');
  errors.push(...clashes(specs));
  return errors.length > 0 ? { errors } : { specs };
}

function parseEntry(entry: string): FeedSpec | string {
  const kind = /^[^:?]*/.exec(entry)?.[0].trim() ?? '';
  const rest = entry.slice(kind.length);
  if (kind === 'demo') return parseDemo(entry, rest);
  if (kind === 'push') return rest === '' ? { kind: 'push' } : `"${entry}": push takes nothing after its name`;
  if (kind === 'replay') return parseReplay(entry, rest);
  if (isVenueName(kind)) return parseVenue(entry, kind, rest);
  if (kind === 'ccxt') return parseCcxt(entry, rest);
  return `"${entry}": unknown feed; a feed is ${FORMS}`;
}

function parseDemo(entry: string, rest: string): FeedSpec | string {
  if (rest === '') return { kind: 'demo', seed: DEFAULT_SEED };
  const options = readOptions(entry, rest.startsWith('?') ? rest.slice(1) : null, ['seed'], '"demo" or "demo?seed=N"');
  if (typeof options === 'string') return options;
  const seed = Number(options.get('seed') ?? DEFAULT_SEED);
  if (!Number.isInteger(seed) || seed < 0 || seed > MAX_SEED)
    return `"${entry}": seed must be an integer from 0 to ${MAX_SEED}`;
  return { kind: 'demo', seed };
}

function parseReplay(entry: string, rest: string): FeedSpec | string {
  const mark = rest.lastIndexOf('?');
  const file = rest.slice(1, mark < 0 ? undefined : mark).trim();
  if (!rest.startsWith(':') || file === '') return `"${entry}": the file is missing: replay:FILE?speed=N&symbol=S`;
  const options = readOptions(
    entry,
    mark < 0 ? '' : rest.slice(mark + 1),
    ['speed', 'symbol'],
    '"replay:FILE?speed=N&symbol=S"',
  );
  if (typeof options === 'string') return options;
  const symbol = options.get('symbol');
  if (symbol === undefined) return `"${entry}": the symbol is missing: add symbol=S, such as ?symbol=XRPETH`;
  if (!isSymbol(symbol)) return `"${entry}": symbol "${symbol}" must be ${SYMBOL_RULE}`;
  const speedText = options.get('speed') ?? '1';
  const speed = Number(speedText);
  if (!/^\d+(\.\d+)?$/.test(speedText) || speed > MAX_SPEED)
    return `"${entry}": speed "${speedText}" must be a number from 0 (as fast as it goes) to ${MAX_SPEED}`;
  return { kind: 'replay', file, speed, symbol };
}

function parseVenue(entry: string, name: keyof typeof VENUE_EXAMPLES, rest: string): FeedSpec | string {
  const form = `${name}:${VENUE_EXAMPLES[name]}`;
  const { list, query } = splitQuery(rest);
  if (list === null) return `"${entry}": the symbols are missing, such as ${form}`;
  const options = readOptions(entry, query, VENUE_OPTIONS, form);
  if (typeof options === 'string') return options;
  const source = readSource(name, list, options);
  return typeof source === 'string' ? `"${entry}": ${source}` : { kind: 'venue', source };
}

function parseCcxt(entry: string, rest: string): FeedSpec | string {
  const { list, query } = splitQuery(rest);
  const options = readOptions(entry, query, ['suffix'], '"ccxt:EXCHANGE:BTC/USDT"');
  if (typeof options === 'string') return options;
  const source = readCcxtSource(list ?? '', options.get('suffix') ?? '');
  return typeof source === 'string' ? `"${entry}": ${source}` : { kind: 'ccxt', source };
}

/** `:LIST?QUERY`; the list is null where there is none. */
function splitQuery(rest: string): { list: string | null; query: string } {
  const mark = rest.indexOf('?');
  const list = rest.slice(1, mark < 0 ? undefined : mark).trim();
  return { list: rest.startsWith(':') && list !== '' ? list : null, query: mark < 0 ? '' : rest.slice(mark + 1) };
}

function readOptions(
  entry: string,
  query: string | null,
  known: readonly string[],
  form: string,
): Map<string, string> | string {
  if (query === null) return `"${entry}": must be ${form}`;
  const options = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) {
    if (!known.includes(name)) return `"${entry}": unknown option "${name}"; known: ${known.join(', ')}`;
    if (options.has(name)) return `"${entry}": option "${name}" is given twice`;
    options.set(name, value);
  }
  return options;
}

function clashes(specs: readonly FeedSpec[]): string[] {
  const seen = new Set<string>();
  const errors: string[] = [];
  for (const spec of specs) {
    for (const key of keysOf(spec)) {
      if (seen.has(key)) errors.push(`${key} is fed twice: name it once`);
      seen.add(key);
    }
  }
  return errors;
}

function keysOf(spec: FeedSpec): string[] {
  if (spec.kind === 'replay') return [`symbol ${spec.symbol}`];
  if (spec.kind === 'venue' || spec.kind === 'ccxt') return sourceSymbols(spec).map((symbol) => `symbol ${symbol}`);
  return [spec.kind];
}

/** Our symbols of a venue's feed. */
export function sourceSymbols(spec: Extract<FeedSpec, { kind: 'venue' | 'ccxt' }>): string[] {
  if (spec.kind === 'ccxt') return spec.source.natives.map((native) => `${ccxtSymbol(native)}${spec.source.suffix}`);
  const { venue, natives, suffix } = spec.source;
  return natives.map((native) => `${venue.toSymbol(native) ?? native}${suffix}`);
}
