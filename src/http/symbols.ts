import type { SymbolStatus } from '../market/event.js';
import { json } from '../wire/http.js';
import type { Route } from './router.js';

export interface SymbolSource {
  /** Every symbol that is fed or stored. */
  symbols(): readonly SymbolStatus[] | Promise<readonly SymbolStatus[]>;
}

/** GET /v1/symbols → {"symbols":[{symbol, source, synthetic, state, since, lastTradeTime}]}, by name. */
export function symbolsRoute(source: SymbolSource): Route {
  return {
    method: 'GET',
    path: '/v1/symbols',
    handle: async () => {
      const symbols = [...(await source.symbols())];
      symbols.sort((a, b) => (a.symbol < b.symbol ? -1 : a.symbol > b.symbol ? 1 : 0));
      return json(200, { symbols }, { 'cache-control': 'no-store' });
    },
  };
}
