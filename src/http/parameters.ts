import { INTERVALS, type Interval, isInterval } from '../market/interval.js';
import { isSymbol, SYMBOL_PATTERN, SYMBOL_RULE } from '../market/symbol.js';
import { type Parameter, type Parameters, readValues, type Values } from '../wire/parameter.js';
import { isStorable, STORABLE_RULE } from '../wire/storable.js';
import { printable, QueryError, readInteger, readParameters, readTime } from './query.js';

/** Parameters of native resources. What they throw is a QueryError. */

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** @throws QueryError */
export function readQuery<P extends Parameters>(query: URLSearchParams, parameters: P): Values<P> {
  return readValues(readParameters(query, Object.keys(parameters)), parameters);
}

export const symbol: Parameter<string> = {
  description: `The symbol: ${SYMBOL_RULE}.`,
  schema: { type: 'string', pattern: SYMBOL_PATTERN.source },
  required: true,
  example: 'BTCUSDT',
  read: (text, name) => {
    if (text === undefined) throw new QueryError(`"${name}" is missing, such as ${name}=BTCUSDT.`);
    if (!isSymbol(text)) throw new QueryError(`"${name}" must be ${SYMBOL_RULE}; it is "${printable(text)}".`);
    return text;
  },
};

export const interval: Parameter<Interval> = {
  description: 'Length of a candle.',
  schema: { type: 'string', enum: INTERVALS },
  required: true,
  example: '1m',
  read: (text, name) => {
    if (text !== undefined && isInterval(text)) return text;
    const was = text === undefined ? 'it is missing' : `it is "${printable(text)}"`;
    throw new QueryError(`"${name}" must be one of ${INTERVALS.join(' ')}; ${was}.`);
  },
};

/** Epoch ms. */
export function time(description: string, example = '2019-10-11T00:00:00Z'): Parameter<number> {
  return {
    description: `${description} Epoch milliseconds, or ISO-8601 with a zone.`,
    schema: { anyOf: [{ type: 'integer' }, { type: 'string', pattern: '^\\d{4}-\\d{2}-\\d{2}' }] },
    required: true,
    example,
    read: (text, name) => readTime(name, text ?? ''),
  };
}

export function integer(description: string, min: number, max: number, usual: number): Parameter<number> {
  return {
    description,
    schema: { type: 'integer', minimum: min, maximum: max, default: usual },
    example: usual,
    read: (text, name) => (text === undefined ? usual : readInteger(name, text, min, max)),
  };
}

/** The first of the choices is what is taken where none is given. */
export function choice<T extends string>(description: string, choices: readonly [T, ...T[]]): Parameter<T> {
  const [usual, ...others] = choices;
  return {
    description,
    schema: { type: 'string', enum: choices, default: usual },
    example: usual,
    read: (text, name) => {
      const found = text === undefined ? usual : choices.find((one) => one === text);
      if (found !== undefined) return found;
      const rule = `${usual} (the default) or ${others.join(' or ')}`;
      throw new QueryError(`"${name}" must be ${rule}; it is "${printable(text ?? '')}".`);
    },
  };
}

/** False where it is not given. */
export function flag(description: string): Parameter<boolean> {
  return {
    description,
    schema: { type: 'boolean', default: false },
    example: true,
    read: (text, name) => {
      if (text === undefined || text === 'false') return false;
      if (text === 'true') return true;
      throw new QueryError(`"${name}" must be true or false; it is "${printable(text)}".`);
    },
  };
}

export function text(description: string): Parameter<string> {
  return {
    description,
    schema: { type: 'string' },
    required: true,
    read: (given = '', name) => {
      if (!isStorable(given)) throw new QueryError(`"${name}" ${STORABLE_RULE}.`);
      return given;
    },
  };
}

/** The `next` of an earlier answer. `decode` tells null where it is none. */
export function cursor<T>(decode: (text: string) => T | null): Parameter<T> {
  return {
    description: 'The `next` of an earlier answer: continues there.',
    schema: { type: 'string', minLength: 1 },
    required: true,
    read: (text, name) => {
      const value = text === undefined ? null : decode(text);
      if (value === null) throw new QueryError(`"${name}" must be the "next" of an earlier answer.`);
      return value;
    },
  };
}

/** A cursor that is the id of the last one seen. */
export const afterId: Parameter<string> = {
  ...cursor((text) => (UUID.test(text) ? text : null)),
  schema: { type: 'string', format: 'uuid' },
};

/** null where it is not given. */
export function optional<T>({ required: _, ...parameter }: Parameter<T>): Parameter<T | null> {
  return { ...parameter, read: (text, name) => (text === undefined ? null : parameter.read(text, name)) };
}
