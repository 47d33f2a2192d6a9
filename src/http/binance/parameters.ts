import { type Interval, isInterval } from '../../market/interval.js';
import { isSymbol } from '../../market/symbol.js';
import { errors } from './error.js';

/** The end of year 9999: later than any candle, and any database can write it. */
export const FAR_MS = 253_402_300_799_000;
const SYMBOL_RANGE = '^[A-Z0-9-_.]{1,50}$';
const SYMBOLS_RANGE = '^\\[("[A-Z0-9-_.]{1,50}"(,"[A-Z0-9-_.]{1,50}"){0,}){0,1}\\]$';
const NUMBER_RANGE = '^[0-9]{1,20}$';
const MINUTE_MS = 60_000;
const WEST_MS = -12 * 60 * MINUTE_MS;
const EAST_MS = 14 * 60 * MINUTE_MS;

/** What a request gives, by name. Values are never empty. */
export type Given = ReadonlyMap<string, string>;

/** @throws ApiError for what is unknown, doubled or empty. */
export function readGiven(query: URLSearchParams, known: readonly string[]): Given {
  const given = new Map<string, string>();
  for (const [name, value] of query) {
    if (given.has(name)) throw errors.twice(known.includes(name) ? name : '');
    given.set(name, value);
  }
  const read = [...given.keys()].filter((name) => known.includes(name)).length;
  if (read < given.size) throw known.length === 0 ? errors.tooMany(0, given.size) : errors.unread(read, given.size);
  for (const [name, value] of given) if (value === '') throw errors.empty(name);
  return given;
}

export function readSymbol(given: Given): string {
  const text = given.get('symbol');
  if (text === undefined) throw errors.missing('symbol');
  return checkSymbol(text, 'symbol', SYMBOL_RANGE);
}

/** One, several, or null for all there are. Several answer with a list, one with an object. */
export function readSymbols(given: Given): { readonly one: string } | { readonly several: readonly string[] | null } {
  const symbols = given.get('symbols');
  if (!given.has('symbol')) return { several: symbols === undefined ? null : readList(symbols) };
  if (symbols !== undefined) throw errors.badCombination();
  return { one: readSymbol(given) };
}

export function readInterval(given: Given): Interval {
  const text = given.get('interval');
  if (text === undefined) throw errors.missing('interval');
  if (!isInterval(text)) throw errors.badInterval();
  return text;
}

/** More than there may be is as many as there may be. */
export function readLimit(given: Given, most: number, usual = 500): number {
  const text = given.get('limit');
  if (text === undefined) return usual;
  const limit = readNumber('limit', text);
  if (limit < 1) throw errors.notValid('limit');
  return Math.min(limit, most);
}

/** Epoch ms, at most the end of year 9999; null: it is not given. */
export function readTime(given: Given, name: string): number | null {
  const text = given.get(name);
  return text === undefined ? null : Math.min(FAR_MS, readNumber(name, text));
}

export function readId(given: Given, name: string): number | null {
  const text = given.get(name);
  return text === undefined ? null : readNumber(name, text);
}

/** `8`, `-1:00`, `05:45`, within −12:00 and +14:00. @returns ms east of UTC. */
export function readZone(given: Given): number {
  const text = given.get('timeZone');
  if (text === undefined) return 0;
  // A plus sign that was not encoded arrives as a blank.
  const [, sign, hours, minutes = '0'] = /^([+ -]?)(\d{1,2})(?::([0-5]\d))?$/.exec(text) ?? [];
  if (hours === undefined) throw errors.notValid('timeZone');
  const east = (Number(hours) * 60 + Number(minutes)) * MINUTE_MS * (sign === '-' ? -1 : 1);
  if (east < WEST_MS || east > EAST_MS) throw errors.notValid('timeZone');
  return east === 0 ? 0 : east;
}

export function readChoice<T extends string>(given: Given, name: string, choices: readonly T[], usual: T): T {
  const text = given.get(name);
  if (text === undefined) return usual;
  const choice = choices.find((one) => one === text);
  if (choice === undefined) throw errors.notValid(name);
  return choice;
}

function readList(text: string): readonly string[] {
  const list = parseList(text);
  if (list === null || list.length === 0) throw errors.illegal('symbols', SYMBOLS_RANGE);
  for (const symbol of list) checkSymbol(symbol, 'symbols', SYMBOLS_RANGE);
  if (new Set(list).size < list.length) throw errors.symbolTwice();
  return list;
}

/** A JSON array of strings; null: it is none. */
export function parseList(text: string): readonly string[] | null {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((item): item is string => typeof item === 'string') ? value : null;
  } catch {
    return null;
  }
}

function checkSymbol(text: string, name: string, range: string): string {
  if (!/^[A-Z0-9._-]{1,50}$/.test(text)) throw errors.illegal(name, range);
  if (!isSymbol(text)) throw errors.badSymbol();
  return text;
}

function readNumber(name: string, text: string): number {
  if (!/^[0-9]{1,20}$/.test(text)) throw errors.illegal(name, NUMBER_RANGE);
  return Math.min(Number(text), Number.MAX_SAFE_INTEGER);
}
