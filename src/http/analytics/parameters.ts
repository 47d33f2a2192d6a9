import { isSymbol, SYMBOL_RULE } from '../../market/symbol.js';
import type { Parameter } from '../../wire/parameter.js';
import { choice, optional, time } from '../parameters.js';
import { printable, QueryError, readInteger } from '../query.js';

/** Ten years and some days. */
export const MAX_DAYS = 4000;
/** Their pairs over MAX_DAYS are answered as quickly as the other resources. */
export const MAX_SYMBOLS = 25;

export const format = choice('CSV is also what `Accept: text/csv` gets.', ['json', 'csv']);

/** null where it is not given, so that it can be told from `from`. */
export function days(description: string, usual: number): Parameter<number | null> {
  return {
    description,
    schema: { type: 'integer', minimum: 1, maximum: MAX_DAYS, default: usual },
    example: usual,
    read: (text, name) => (text === undefined ? null : readInteger(name, text, 1, MAX_DAYS)),
  };
}

export const to = optional(time('The days end before it; without it with the newest.'));

/** @param usual days where neither `from` nor `days` is given */
export function period(usual: number) {
  return {
    from: optional(time('Days that begin then or later; in place of `days`.')),
    to,
    days: days(`So many calendar days up to the newest there is, or up to \`to\`.`, usual),
  } as const;
}

export const symbols: Parameter<readonly string[]> = {
  description: `2 to ${MAX_SYMBOLS} symbols, with commas between them.`,
  schema: { type: 'string' },
  required: true,
  example: 'BTCUSDT,ETHUSDT',
  read: (text = '', name) => {
    const found = text.split(',');
    for (const symbol of found)
      if (!isSymbol(symbol))
        throw new QueryError(
          `"${name}" must be symbols with commas between them, each ${SYMBOL_RULE}; one is "${printable(symbol)}".`,
        );
    const twice = found.find((symbol, i) => found.indexOf(symbol) !== i);
    if (twice !== undefined) throw new QueryError(`"${name}" has ${twice} more than once; name it once.`);
    if (found.length < 2) throw new QueryError(`"${name}" must be at least two symbols; it is only ${text}.`);
    if (found.length > MAX_SYMBOLS)
      throw new QueryError(`"${name}" may be at most ${MAX_SYMBOLS} symbols; these are ${found.length}.`);
    return found;
  },
};

/** What symbols end with, such as USDT. */
export const quote: Parameter<string> = {
  description: 'Only symbols that end with it, such as USDT.',
  schema: { type: 'string', pattern: '^[A-Z0-9]{1,20}$' },
  required: true,
  example: 'USDT',
  read: (text = '', name) => {
    if (/^[A-Z0-9]{1,20}$/.test(text)) return text;
    throw new QueryError(
      `"${name}" must be the end of symbols' names, such as USDT: 1 to 20 of A-Z and 0-9; it is "${printable(text)}".`,
    );
  },
};
