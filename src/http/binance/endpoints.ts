import type { Entitlements } from '../../wire/identity.js';
import { EXCHANGE_INFO_PARAMETERS, exchangeInfo } from './exchange-info.js';
import { KLINE_PARAMETERS, Klines } from './klines.js';
import { type Given, readSymbols } from './parameters.js';
import type { BinanceSources } from './sources.js';
import { bookTickers, dayTickers, prices } from './tickers.js';
import { AGG_TRADE_PARAMETERS, aggTrades, TRADE_PARAMETERS, trades } from './trades.js';

type Body = string | Uint8Array;

export interface Endpoint {
  /** Names of all it takes; others are refused. */
  readonly parameters: readonly string[];
  /** As Binance counts it. */
  weight(query: URLSearchParams): number;
  answer(given: Given, plan: Entitlements | null): Body | Promise<Body>;
}

const TICKER = ['symbol', 'symbols'];

/** By path below /api/v3/. */
export function createEndpoints(sources: BinanceSources, weightLimit: number): ReadonlyMap<string, Endpoint> {
  const klines = new Klines(sources);
  const kline: Endpoint = {
    parameters: KLINE_PARAMETERS,
    weight: () => 2,
    answer: (given, plan) => klines.answer(given, plan),
  };
  const simple = (parameters: readonly string[], weight: number, answer: (given: Given) => Body | Promise<Body>) => ({
    parameters,
    weight: () => weight,
    answer,
  });
  return new Map<string, Endpoint>([
    ['ping', simple([], 1, () => '{}')],
    ['time', simple([], 1, () => `{"serverTime":${sources.clock.now()}}`)],
    ['exchangeInfo', simple(EXCHANGE_INFO_PARAMETERS, 20, (given) => exchangeInfo(given, sources, weightLimit))],
    ['klines', kline],
    ['uiKlines', kline],
    ['trades', simple(TRADE_PARAMETERS, 25, (given) => trades(given, sources))],
    ['aggTrades', simple(AGG_TRADE_PARAMETERS, 4, (given) => aggTrades(given, sources))],
    [
      'ticker/24hr',
      { parameters: [...TICKER, 'type'], weight: dayWeight, answer: (given) => dayTickers(given, sources) },
    ],
    ['ticker/price', { parameters: TICKER, weight: pairWeight, answer: (given) => prices(given, sources) }],
    ['ticker/bookTicker', { parameters: TICKER, weight: pairWeight, answer: (given) => bookTickers(given, sources) }],
  ]);
}

/** What Binance has and we do not, and what there is instead. */
export const ABSENT: Readonly<Record<string, string>> = {
  depth: 'There are no order books here: they are not made from trades.',
  historicalTrades: 'Old single trades are not kept; klines are.',
  avgPrice: 'There is ticker/24hr with weightedAvgPrice.',
  ticker: 'There is ticker/24hr.',
  'ticker/tradingDay': 'There is klines with interval=1d and a timeZone.',
  account: 'There is no trading here.',
  order: 'There is no trading here.',
  'order/test': 'There is no trading here.',
  openOrders: 'There is no trading here.',
  allOrders: 'There is no trading here.',
  myTrades: 'There is no trading here.',
  userDataStream: 'There is no trading here.',
};

function pairWeight(query: URLSearchParams): number {
  return query.has('symbol') ? 2 : 4;
}

function dayWeight(query: URLSearchParams): number {
  if (query.has('symbol')) return 2;
  if (!query.has('symbols')) return 80;
  const asked = safely(() => readSymbols(new Map([['symbols', query.get('symbols') ?? '']])));
  const count = asked !== null && 'several' in asked ? (asked.several?.length ?? 0) : 0;
  return count <= 20 ? 2 : count <= 100 ? 40 : 80;
}

function safely<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
