import { isSymbol, SYMBOL_RULE } from '../../market/symbol.js';
import { binance } from './binance.js';
import { coinbase } from './coinbase.js';
import { kraken } from './kraken.js';
import type { Venue } from './venue.js';
import type { VenueSource } from './venue-feed.js';

/** Venues with a connector of their own, with a symbol as each writes it. */
export const VENUE_EXAMPLES = { binance: 'BTCUSDT', coinbase: 'BTC-USD', kraken: 'BTC/USD' } as const;

export type VenueName = keyof typeof VENUE_EXAMPLES;

export function isVenueName(name: string): name is VenueName {
  return Object.hasOwn(VENUE_EXAMPLES, name);
}

export const VENUE_OPTIONS = ['ws', 'rest', 'suffix', 'backfill', 'stream'] as const;

export const DEFAULT_BACKFILL_HOURS = 6;
const MAX_BACKFILL_HOURS = 24 * 31;
const MAX_SYMBOLS = 1000;

/** Reads the symbols and options of a feed such as `binance:BTCUSDT,ETHUSDT?suffix=.X`. @returns the source, or what is wrong with it. */
export function readSource(name: VenueName, list: string, options: ReadonlyMap<string, string>): VenueSource | string {
  const stream = options.get('stream') ?? 'trade';
  if (stream !== 'trade' && stream !== 'aggTrade') return 'stream must be trade or aggTrade';
  if (options.has('stream') && name !== 'binance') return 'stream is an option of binance only';
  const venue = venueOf(name, stream);
  const suffix = options.get('suffix') ?? '';
  const natives = readSymbols(list);
  if (typeof natives === 'string') return `${natives}, such as ${name}:${VENUE_EXAMPLES[name]}`;
  const wrong = natives.find((native) => !isSymbol(`${venue.toSymbol(native) ?? '?'}${suffix}`));
  if (wrong !== undefined)
    return `symbol "${wrong}" must be as ${name} writes it, such as ${VENUE_EXAMPLES[name]}; with its suffix it becomes ${SYMBOL_RULE}`;
  const urls = readUrls(options);
  if (typeof urls === 'string') return urls;
  const backfillHours = Number(options.get('backfill') ?? DEFAULT_BACKFILL_HOURS);
  if (!(backfillHours > 0 && backfillHours <= MAX_BACKFILL_HOURS))
    return `backfill must be hours, above 0 and at most ${MAX_BACKFILL_HOURS}`;
  return { venue, natives, ...urls, suffix, backfillHours };
}

/** @returns the symbols between commas, or what is wrong with them. */
export function readSymbols(list: string): readonly string[] | string {
  const natives = list.split(',').map((native) => native.trim());
  if (natives.some((native) => native === '')) return 'a symbol is missing';
  if (new Set(natives).size < natives.length) return 'a symbol is named twice';
  if (natives.length > MAX_SYMBOLS) return `at most ${MAX_SYMBOLS} symbols fit one feed`;
  return natives;
}

export function venueOf(name: VenueName, stream: 'trade' | 'aggTrade' = 'trade'): Venue {
  if (name === 'binance') return binance(stream);
  return name === 'coinbase' ? coinbase : kraken;
}

function readUrls(options: ReadonlyMap<string, string>): { ws: string | null; rest: string | null } | string {
  const ws = options.get('ws') ?? null;
  const rest = options.get('rest') ?? null;
  if (ws !== null && !isUrl(ws, ['ws:', 'wss:'])) return `ws "${ws}" must be a ws:// or wss:// URL`;
  if (rest !== null && !isUrl(rest, ['http:', 'https:'])) return `rest "${rest}" must be an http:// or https:// URL`;
  return { ws, rest: rest === null ? null : rest.replace(/\/+$/, '') };
}

function isUrl(text: string, protocols: readonly string[]): boolean {
  return URL.canParse(text) && protocols.includes(new URL(text).protocol);
}
