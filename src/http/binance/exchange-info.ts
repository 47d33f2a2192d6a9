import type { SymbolStatus } from '../../market/event.js';
import type { Parameter, Values } from '../../wire/parameter.js';
import { optional } from '../parameters.js';
import { assetsOf } from './assets.js';
import { errors } from './error.js';
import { askedFor, choice, oneOrMore, parseList } from './parameters.js';
import type { BinanceSources } from './sources.js';

/** Of all prices and volumes here. */
const STEP = '0.00000001';
const MOST = '900000000000.00000000';

const permissions: Parameter<readonly string[]> = {
  description: '`SPOT`, or a JSON array with it: all symbols have it. Not beside symbols.',
  schema: { type: 'string' },
  example: 'SPOT',
  read: (text = '', name) => {
    const names = text.startsWith('[') ? (parseList(text) ?? ['']) : [text];
    if (!names.every((one) => /^[A-Z0-9_]{1,30}$/.test(one))) throw errors.notValid(name);
    return names;
  },
};
export const EXCHANGE_INFO_PARAMETERS = {
  ...oneOrMore,
  symbolStatus: choice('Only symbols with this status.', ['TRADING', 'HALT', 'BREAK', ''], ''),
  showPermissionSets: choice('Whether `permissionSets` are told.', ['true', 'false'], 'true'),
  permissions: optional(permissions),
} as const;

/** GET /api/v3/exchangeInfo. There is no trading here; what describes orders is there because clients read it. */
export function exchangeInfo(
  given: Values<typeof EXCHANGE_INFO_PARAMETERS>,
  { symbols, clock }: BinanceSources,
  weightLimit: number,
): string {
  const asked = askedFor(given);
  const status = given.symbolStatus;
  const showSets = given.showPermissionSets === 'true';
  if (given.permissions !== null && (given.symbol !== null || given.symbols !== null)) throw errors.badCombination();
  const isSpot = given.permissions === null || given.permissions.includes('SPOT');
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
