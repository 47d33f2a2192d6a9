import type { SymbolStatus } from '../../market/event.js';
import type { HttpRequest, HttpResponse } from '../../wire/http.js';
import type { CandleSource } from '../candles.js';
import { printable } from '../query.js';
import type { SymbolSource } from '../symbols.js';
import { ok, UdfError } from './answer.js';
import { count, INTRADAY, readUdf, SUPPORTED_RESOLUTIONS, udfSymbol, word } from './parameters.js';

const TYPE = 'crypto';
const DEFAULT_RESULTS = 30;
const MAX_RESULTS = 200;
/** Candles of which the decimals of a market are learnt. */
const SAMPLE = 100;
const MIN_DECIMALS = 2;
const NO_MORE = 'ended';
export const SYMBOL_PARAMETERS = { symbol: udfSymbol } as const;
export const SEARCH_PARAMETERS = {
  query: word('A part of the name.'),
  type: word(`Of the symbols: empty, or ${TYPE}, which all are.`),
  exchange: word('Of the symbols; empty for all.'),
  limit: count('Results.', 1, MAX_RESULTS, DEFAULT_RESULTS),
} as const;

/** The symbols there are, as TradingView's library sees them: their exchange is the source that feeds them. */
export class UdfSymbols {
  readonly #symbols: SymbolSource;
  readonly #candles: CandleSource;
  /** Decimals seen of a symbol: they never become fewer, so that a chart does not change its scale. */
  readonly #decimals = new Map<string, { price: number; volume: number }>();

  constructor(symbols: SymbolSource, candles: CandleSource) {
    this.#symbols = symbols;
    this.#candles = candles;
  }

  /** GET /udf/config */
  async config(): Promise<HttpResponse> {
    const exchanges = [...new Set((await this.#symbols.symbols()).map(exchangeOf))].sort();
    return ok({
      supports_search: true,
      supports_group_request: false,
      supports_marks: true,
      supports_timescale_marks: true,
      supports_time: true,
      exchanges: [
        { value: '', name: 'All exchanges', desc: '' },
        ...exchanges.map((name) => ({ value: name, name, desc: name })),
      ],
      symbols_types: [
        { name: 'All types', value: '' },
        { name: 'Crypto', value: TYPE },
      ],
      supported_resolutions: SUPPORTED_RESOLUTIONS,
    });
  }

  /** GET /udf/symbols?symbol */
  async info({ query }: HttpRequest): Promise<HttpResponse> {
    const status = await this.find(readUdf(query, SYMBOL_PARAMETERS).symbol);
    const { price, volume } = await this.#decimalsOf(status.symbol);
    const exchange = exchangeOf(status);
    return ok({
      name: status.symbol,
      ticker: status.symbol,
      full_name: `${exchange}:${status.symbol}`,
      description: describe(status),
      type: TYPE,
      session: '24x7',
      timezone: 'Etc/UTC',
      exchange,
      listed_exchange: exchange,
      'exchange-traded': exchange,
      'exchange-listed': exchange,
      format: 'price',
      minmov: 1,
      minmov2: 0,
      pricescale: 10 ** price,
      pointvalue: 1,
      has_intraday: true,
      intraday_multipliers: INTRADAY,
      has_daily: true,
      daily_multipliers: ['1', '3'],
      has_weekly_and_monthly: true,
      weekly_multipliers: ['1'],
      monthly_multipliers: ['1'],
      supported_resolutions: SUPPORTED_RESOLUTIONS,
      visible_plots_set: 'ohlcv',
      volume_precision: volume,
      data_status: status.state === NO_MORE ? 'endofday' : 'streaming',
    });
  }

  /** GET /udf/search?query&type&exchange&limit. What begins with the query comes first. */
  async search({ query }: HttpRequest): Promise<HttpResponse> {
    const given = readUdf(query, SEARCH_PARAMETERS);
    const text = given.query.trim().toUpperCase();
    const [type, exchange] = [given.type || TYPE, given.exchange];
    const isAsked = (status: SymbolStatus) =>
      type === TYPE &&
      (exchange === '' || exchangeOf(status) === exchange) &&
      `${exchangeOf(status)}:${status.symbol}`.includes(text);
    const rank = ({ symbol }: SymbolStatus) => (symbol.startsWith(text) ? 0 : 1);
    const found = (await this.#symbols.symbols()).filter(isAsked);
    found.sort((a, b) => rank(a) - rank(b) || (a.symbol < b.symbol ? -1 : 1));
    return ok(found.slice(0, given.limit ?? DEFAULT_RESULTS).map(toResult));
  }

  /** By `SYMBOL` or `EXCHANGE:SYMBOL`. @throws UdfError where there is none */
  async find(text: string): Promise<SymbolStatus> {
    const found = (await this.#symbols.symbols()).find(
      (status) => status.symbol === text || `${exchangeOf(status)}:${status.symbol}` === text,
    );
    if (found === undefined) throw new UdfError(404, `unknown_symbol: there is no symbol "${printable(text)}"`);
    return found;
  }

  async #decimalsOf(symbol: string): Promise<{ price: number; volume: number }> {
    const { candles } = await this.#candles.query(symbol, '1m', { limit: SAMPLE });
    const known = this.#decimals.get(symbol) ?? { price: MIN_DECIMALS, volume: 0 };
    const prices = candles.flatMap(({ open, high, low, close }) => [open, high, low, close]);
    const decimals = {
      price: Math.max(known.price, ...prices.map(decimalsOf)),
      volume: Math.max(known.volume, ...candles.map(({ volume }) => decimalsOf(volume))),
    };
    this.#decimals.set(symbol, decimals);
    return decimals;
  }
}

export function exchangeOf({ source }: SymbolStatus): string {
  return source.toUpperCase();
}

/** Generated data is marked wherever it shows. */
export function describe({ symbol, synthetic }: SymbolStatus): string {
  return synthetic ? `${symbol} (synthetic data)` : symbol;
}

function toResult(status: SymbolStatus) {
  const exchange = exchangeOf(status);
  return {
    symbol: status.symbol,
    full_name: `${exchange}:${status.symbol}`,
    description: describe(status),
    exchange,
    ticker: status.symbol,
    type: TYPE,
  };
}

/** Those that say something: "1.25000000" has two. */
function decimalsOf(text: string): number {
  return text.replace(/0+$/, '').split('.')[1]?.length ?? 0;
}
