import { isSymbol, SYMBOL_RULE } from '../market/symbol.js';

/** One entry of FEEDS. `speed` of a replay: times real time; 0 = as fast as it goes. */
export type FeedSpec =
  | { readonly kind: 'demo'; readonly seed: number }
  | { readonly kind: 'replay'; readonly file: string; readonly speed: number; readonly symbol: string }
  | { readonly kind: 'push' };

export type ParsedFeeds = { readonly specs: readonly FeedSpec[] } | { readonly errors: readonly string[] };

const FORMS = '"demo", "push" or "replay:FILE?speed=N&symbol=S"';
const VENUES = ['binance', 'coinbase', 'kraken', 'ccxt'];
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
  if (VENUES.includes(kind)) return `"${entry}": ${kind} is not available in this version; a feed is ${FORMS}`;
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
    const key = spec.kind === 'replay' ? `symbol ${spec.symbol}` : spec.kind;
    if (seen.has(key)) errors.push(`${key} is fed twice: name it once`);
    seen.add(key);
  }
  return errors;
}
