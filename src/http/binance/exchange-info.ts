import type { SymbolStatus } from '../../market/event.js';
import { assetsOf } from './assets.js';
import { errors } from './error.js';
import { type Given, parseList, readChoice, readSymbols } from './parameters.js';
import type { BinanceSources } from './sources.js';

export const EXCHANGE_INFO_PARAMETERS = ['symbol', 'symbols', 'permissions', 'showPermissionSets', 'symbolStatus'];
/** Of all prices and volumes here. */
const STEP = '0.00000001';
const MOST = '900000000000.00000000';

/** GET /api/v3/exchangeInfo. There is no trading here; what describes orders is there because clients read it. */
export function exchangeInfo(given: Given, { symbols, clock }: BinanceSources, weightLimit: number): string {
  const asked = readSymbols(given);
  const status = readChoice(given, 'symbolStatus', ['TRADING', 'HALT', 'BREAK', ''], '');
  const showSets = readChoice(given, 'showPermissionSets', ['true', 'false'], 'true') === 'true';
  const isSpot = permissionsOf(given).includes('SPOT');
  const all = isSpot ? symbols() : [];
  const names = 'one' in asked ? [asked.one] : asked.several;
  const wanted = names === null ? all : names.map((name) => find(symbols(), name));
  const told = wanted.map((one) => describe(one, showSets)).filter((one) => status === '' || one.status === status);
  return JSON.stringify({
    timezone: 'UTC',
    serverTime: clock.now(),
    rateLimits: [{ rateLimitType: 'REQUEST_WEIGHT', interval: 'MINUTE', intervalNum: 1, limit: weightLimit }],
    exchangeFilters: [],
    symbols: told,
  });
}

/** `SPOT`, or a JSON array with it. */
function permissionsOf(given: Given): readonly string[] {
  const text = given.get('permissions');
  if (text === undefined) return ['SPOT'];
  if (given.has('symbol') || given.has('symbols')) throw errors.badCombination();
  const names = text.startsWith('[') ? (parseList(text) ?? ['']) : [text];
  if (!names.every((name) => /^[A-Z0-9_]{1,30}$/.test(name))) throw errors.notValid('permissions');
  return names;
}

function find(all: readonly SymbolStatus[], symbol: string): SymbolStatus {
  const found = all.find((one) => one.symbol === symbol);
  if (found === undefined) throw errors.badSymbol();
  return found;
}

function describe({ symbol, state }: SymbolStatus, showSets: boolean) {
  const { base, quote } = assetsOf(symbol);
  return {
    symbol,
    // BREAK: there is history, and nothing new comes.
    status: state === 'ended' ? 'BREAK' : 'TRADING',
    baseAsset: base,
    baseAssetPrecision: 8,
    quoteAsset: quote,
    quotePrecision: 8,
    quoteAssetPrecision: 8,
    baseCommissionPrecision: 8,
    quoteCommissionPrecision: 8,
    orderTypes: [],
    icebergAllowed: false,
    ocoAllowed: false,
    otoAllowed: false,
    quoteOrderQtyMarketAllowed: false,
    allowTrailingStop: false,
    cancelReplaceAllowed: false,
    amendAllowed: false,
    isSpotTradingAllowed: true,
    isMarginTradingAllowed: false,
    filters: [
      { filterType: 'PRICE_FILTER', minPrice: STEP, maxPrice: MOST, tickSize: STEP },
      { filterType: 'LOT_SIZE', minQty: STEP, maxQty: MOST, stepSize: STEP },
    ],
    permissions: [],
    ...(showSets ? { permissionSets: [['SPOT']] } : {}),
    defaultSelfTradePreventionMode: 'NONE',
    allowedSelfTradePreventionModes: ['NONE'],
  };
}
