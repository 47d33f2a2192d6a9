import { INTERVALS, type Interval, isInterval } from '../../market/interval.js';
import { isSymbol, SYMBOL_PATTERN } from '../../market/symbol.js';
import { type Parameter, type Parameters, readValues, type Values } from '../../wire/parameter.js';
import { optional } from '../parameters.js';
import { errors } from './error.js';

/** The end of year 9999: later than any candle, and any database can write it. */
export const FAR_MS = 253_402_300_799_000;
const SYMBOL_RANGE = '^[A-Z0-9-_.]{1,50}$';
const SYMBOLS_RANGE = '^\\[("[A-Z0-9-_.]{1,50}"(,"[A-Z0-9-_.]{1,50}"){0,}){0,1}\\]$';
const NUMBER_RANGE = '^[0-9]{1,20}$';
const USUAL_LIMIT = 500;
/** A plus sign that was not encoded arrives as a blank. */
const ZONE = /^([+ -]?)(\d{1,2})(?::([0-5]\d))?$/;
const MINUTE_MS = 60_000;
const WEST_MS = -12 * 60 * MINUTE_MS;
const EAST_MS = 14 * 60 * MINUTE_MS;

/** By name; none is empty. @throws ApiError for what is unknown, doubled or empty. */
function readGiven(query: URLSearchParams, known: readonly string[]): ReadonlyMap<string, string> {
  const given = new Map<string, string>();
  let read = 0;
  for (const [name, value] of query) {
    const isKnown = known.includes(name);
    if (given.has(name)) throw errors.twice(isKnown ? name : '');
    given.set(name, value);
    if (isKnown) read++;
  }
  if (read < given.size) throw known.length === 0 ? errors.tooMany(0, given.size) : errors.unread(read, given.size);
  for (const [name, value] of given) if (value === '') throw errors.empty(name);
  return given;
}

/** Its values, each read as its declaration has it. @throws ApiError */
export function readAll<P extends Parameters>(query: URLSearchParams, parameters: P): Values<P> {
  return readValues(readGiven(query, Object.keys(parameters)), parameters);
}

export const symbol: Parameter<string> = {
  description: 'One symbol.',
  schema: { type: 'string', pattern: SYMBOL_PATTERN.source },
  required: true,
  example: 'BTCUSDT',
  read: (text, name) => {
    if (text === undefined) throw errors.missing(name);
    return checkSymbol(text, name, SYMBOL_RANGE);
  },
};

/** One, several, or none for all there are. */
export const oneOrMore = {
  symbol: { ...optional(symbol), description: 'One symbol: the answer is an object.' },
  symbols: optional<readonly string[]>({
    description: 'A JSON array of symbols: the answer is a list. Without either it has all there are.',
    schema: { type: 'string', pattern: SYMBOLS_RANGE },
    example: '["BTCUSDT"]',
    read: (text = '') => readList(text),
  }),
} as const;

/** null: all there are. Several answer with a list, one with an object. */
export function askedFor(
  given: Values<typeof oneOrMore>,
): { readonly one: string } | { readonly several: readonly string[] | null } {
  if (given.symbol === null) return { several: given.symbols };
  if (given.symbols !== null) throw errors.badCombination();
  return { one: given.symbol };
}

export const interval: Parameter<Interval> = {
  description: 'Length of a kline.',
  schema: { type: 'string', enum: INTERVALS },
  required: true,
  example: '1m',
  read: (text, name) => {
    if (text === undefined) throw errors.missing(name);
    if (!isInterval(text)) throw errors.badInterval();
    return text;
  },
};

/** More than there may be is as many as there may be. */
export function limit(most: number): Parameter<number> {
  return {
    description: `How many; more than ${most} is ${most}.`,
    schema: { type: 'integer', minimum: 1, default: USUAL_LIMIT },
    example: USUAL_LIMIT,
    read: (text, name) => {
      if (text === undefined) return USUAL_LIMIT;
      const value = readNumber(name, text);
      if (value < 1) throw errors.notValid(name);
      return Math.min(value, most);
    },
  };
}

/** At most the end of year 9999. */
export function time(description: string): Parameter<number | null> {
  return optional({
    description: `${description} Epoch milliseconds.`,
    schema: { type: 'integer', minimum: 0 },
    example: 1570752000000,
    read: (text = '', name) => Math.min(FAR_MS, readNumber(name, text)),
  });
}

export const fromId: Parameter<number | null> = optional({
  description: 'Id of the first.',
  schema: { type: 'integer', minimum: 0 },
  example: 1,
  read: (text = '', name) => readNumber(name, text),
});

/** Ms east of UTC. */
export const timeZone: Parameter<number> = {
  description: 'The zone whose days buckets follow, such as `8`, `-1:00` or `05:45`, within −12:00 and +14:00.',
  schema: { type: 'string', pattern: ZONE.source, default: '0' },
  example: '0',
  read: (text = '0', name) => readZone(text, name),
};

export function choice<T extends string>(description: string, choices: readonly T[], usual: T): Parameter<T> {
  return {
    description,
    schema: { type: 'string', enum: choices, default: usual },
    read: (text, name) => {
      const found = text === undefined ? usual : choices.find((one) => one === text);
      if (found === undefined) throw errors.notValid(name);
      return found;
    },
  };
}

function readZone(text: string, name: string): number {
  const [, sign, hours, minutes = '0'] = ZONE.exec(text) ?? [];
  if (hours === undefined) throw errors.notValid(name);
  const east = (Number(hours) * 60 + Number(minutes)) * MINUTE_MS * (sign === '-' ? -1 : 1);
  if (east < WEST_MS || east > EAST_MS) throw errors.notValid(name);
  return east === 0 ? 0 : east;
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
