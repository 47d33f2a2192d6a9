import type { HttpRequest, HttpResponse } from '../../wire/http.js';
import type { Entitlements } from '../../wire/identity.js';
import type { Parameter } from '../../wire/parameter.js';
import type { CandleSource } from '../candles.js';
import { printable, QueryError } from '../query.js';
import type { Readers } from '../readers.js';
import { ok, UdfError } from './answer.js';
import { readPlan } from './history.js';
import { readUdf } from './parameters.js';
import { describe, exchangeOf, type UdfSymbols } from './symbols.js';

const MAX_SYMBOLS = 50;

const symbols: Parameter<readonly string[]> = {
  description: `Names of up to ${MAX_SYMBOLS} symbols, separated by commas.`,
  schema: { type: 'string', minLength: 1 },
  required: true,
  example: 'BTCUSDT,ETHUSDT',
  read: (text) => {
    if (text === undefined || text === '')
      throw new QueryError('"symbols" is missing, such as symbols=BTCUSDT,ETHUSDT.');
    const names = text.split(',');
    if (names.length > MAX_SYMBOLS) throw new QueryError(`"symbols" may name at most ${MAX_SYMBOLS}.`);
    return names;
  },
};
export const QUOTE_PARAMETERS = { symbols } as const;

interface Parts {
  readonly candles: CandleSource;
  readonly symbols: UdfSymbols;
  readonly readers: Readers;
}

/** GET /udf/quotes?symbols=A,B: the day so far, against the close of the day before. Bid and ask are not known here, and left out. */
export async function quotes(parts: Parts, request: HttpRequest): Promise<HttpResponse> {
  const { symbols: names } = readUdf(request.query, QUOTE_PARAMETERS);
  const plan = await readPlan(parts.readers, request, '1d');
  return ok({ s: 'ok', d: await Promise.all(names.map((name) => quote(parts, name, plan))) });
}

async function quote(parts: Parts, name: string, plan: Entitlements | null) {
  try {
    return { s: 'ok', n: name, v: await values(parts, name, plan) };
  } catch (error) {
    const known = error instanceof UdfError || error instanceof QueryError;
    return { s: 'error', n: printable(name), v: {}, errmsg: known ? error.message : 'It cannot be read now.' };
  }
}

async function values({ candles, symbols }: Parts, name: string, plan: Entitlements | null) {
  const status = await symbols.find(name);
  // Of a plan without a day of history only today is given.
  const limit = plan?.historyDays === 0 ? 1 : 2;
  const days = (await candles.query(status.symbol, '1d', { limit })).candles;
  const day = days.at(-1);
  if (day === undefined) throw new UdfError(404, 'there are no trades yet');
  const before = Number((days.at(-2) ?? { close: day.open }).close);
  const last = Number(day.close);
  return {
    ch: difference(last, before),
    chp: before === 0 ? 0 : Number((((last - before) / before) * 100).toFixed(2)),
    short_name: status.symbol,
    exchange: exchangeOf(status),
    original_name: `${exchangeOf(status)}:${status.symbol}`,
    description: describe(status),
    lp: last,
    open_price: Number(day.open),
    high_price: Number(day.high),
    low_price: Number(day.low),
    prev_close_price: before,
    volume: Number(day.volume),
  };
}

/** Without what binary fractions add. */
function difference(a: number, b: number): number {
  return Number((a - b).toFixed(8));
}
