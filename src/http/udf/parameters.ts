import { type Interval, isInterval } from '../../market/interval.js';
import { type Parameter, type Parameters, readValues, type Values } from '../../wire/parameter.js';
import { printable, QueryError, readInteger } from '../query.js';

/** TradingView's names: minutes as a number, then days, weeks, months. */
const RESOLUTIONS: Readonly<Record<Interval, string>> = {
  '1m': '1',
  '3m': '3',
  '5m': '5',
  '15m': '15',
  '30m': '30',
  '1h': '60',
  '2h': '120',
  '4h': '240',
  '6h': '360',
  '8h': '480',
  '12h': '720',
  '1d': '1D',
  '3d': '3D',
  '1w': '1W',
  '1M': '1M',
};
const SHORT: Readonly<Record<string, string>> = { D: '1D', W: '1W', M: '1M' };

export const SUPPORTED_RESOLUTIONS = Object.values(RESOLUTIONS);
export const INTRADAY = SUPPORTED_RESOLUTIONS.filter((name) => /^\d+$/.test(name));

/** Later than this as epoch seconds is no date, but every recent time in milliseconds is. */
const MAX_SECONDS = 1e11;

/** Parameters that are not known are ignored: versions of the library differ in what they add. @throws QueryError */
export function readUdf<P extends Parameters>(query: URLSearchParams, parameters: P): Values<P> {
  const values = new Map<string, string>();
  for (const [name, value] of query) {
    if (values.has(name)) throw new QueryError(`"${printable(name)}" is given more than once; give it once.`);
    values.set(name, value);
  }
  return readValues(values, parameters);
}

export const udfSymbol: Parameter<string> = {
  description: '`SYMBOL` or `EXCHANGE:SYMBOL`.',
  schema: { type: 'string', minLength: 1 },
  required: true,
  example: 'BTCUSDT',
  read: (text) => {
    if (text === undefined || text === '') throw new QueryError('"symbol" is missing, such as symbol=BTCUSDT.');
    return text;
  },
};

export const resolution: Parameter<Interval> = {
  description: 'Length of a bar: minutes as a number, or days, weeks, months.',
  schema: { type: 'string', enum: [...SUPPORTED_RESOLUTIONS, ...Object.keys(SHORT)] },
  required: true,
  example: '60',
  read: readResolution,
};

/** @returns epoch ms */
export function seconds(description: string): Parameter<number> {
  return {
    description: `${description} Epoch seconds.`,
    schema: { type: 'integer' },
    required: true,
    example: 1570752000,
    read: (text, name) => readSeconds(name, text),
  };
}

/** An empty one counts as not given. */
export function count(description: string, min: number, max: number, usual: number | null): Parameter<number | null> {
  return {
    description,
    schema: { type: 'integer', minimum: min, maximum: max, ...(usual === null ? {} : { default: usual }) },
    read: (text, name) => (text ? readInteger(name, text, min, max) : usual),
  };
}

/** Empty where it is not given. */
export function word(description: string): Parameter<string> {
  return { description, schema: { type: 'string' }, read: (text = '') => text };
}

/** @throws QueryError */
function readResolution(text: string | undefined): Interval {
  const name = SHORT[text ?? ''] ?? text;
  for (const [interval, resolution] of Object.entries(RESOLUTIONS))
    if (resolution === name && isInterval(interval)) return interval;
  const was = text === undefined ? 'it is missing' : `it is "${printable(text)}"`;
  throw new QueryError(`"resolution" must be one of ${SUPPORTED_RESOLUTIONS.join(' ')}; ${was}.`);
}

/** Also before 1970, where charts get when they scroll back. @returns epoch ms. @throws QueryError */
function readSeconds(name: string, text: string | undefined): number {
  const seconds = text !== undefined && /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (Math.abs(seconds) < MAX_SECONDS) return seconds * 1000;
  if (seconds >= MAX_SECONDS) throw new QueryError(`"${name}" must be epoch seconds, not milliseconds.`);
  const was = text === undefined ? 'it is missing' : `it is "${printable(text)}"`;
  throw new QueryError(`"${name}" must be epoch seconds, such as 1570752000; ${was}.`);
}
