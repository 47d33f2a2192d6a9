import type { Clock } from '../../kit/clock.js';
import type { Log } from '../../kit/log.js';
import type { HttpRequest, HttpResponse } from '../../wire/http.js';
import type { CandleSource } from '../candles.js';
import type { Readers } from '../readers.js';
import type { Route } from '../router.js';
import type { SymbolSource } from '../symbols.js';
import { answering } from './answer.js';
import { history } from './history.js';
import { type MarkSource, marks, timescaleMarks } from './marks.js';
import { quotes } from './quotes.js';
import { UdfSymbols } from './symbols.js';

export interface UdfOptions {
  readonly candles: CandleSource;
  readonly symbols: SymbolSource;
  readonly readers: Readers;
  /** Whose signals are marks; null: nobody's. */
  readonly marks: MarkSource | null;
  readonly clock: Clock;
  readonly log: Log;
}

/** The data source protocol of TradingView's charting library. @see https://www.tradingview.com/charting-library-docs/latest/connecting_data/UDF/ */
export function udfRoutes(options: UdfOptions): Route[] {
  const { candles, clock, log } = options;
  const symbols = new UdfSymbols(options.symbols, candles);
  const parts = { ...options, symbols };
  const route = (name: string, work: (request: HttpRequest) => HttpResponse | Promise<HttpResponse>): Route => ({
    method: 'GET',
    path: `/udf/${name}`,
    handle: answering(work, log),
  });
  return [
    route('config', () => symbols.config()),
    route('symbols', (request) => symbols.info(request)),
    route('search', (request) => symbols.search(request)),
    route('history', (request) => history(parts, request)),
    route('marks', (request) => marks(parts, request)),
    route('timescale_marks', (request) => timescaleMarks(parts, request)),
    route('quotes', (request) => quotes(parts, request)),
    route('time', () => time(clock)),
  ];
}

function time(clock: Clock): HttpResponse {
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' };
  return { status: 200, headers, body: String(Math.floor(clock.now() / 1000)) };
}
