import type { Entitlements } from '../../wire/identity.js';
import type { Parameters, Values } from '../../wire/parameter.js';
import { EXCHANGE_INFO_PARAMETERS, exchangeInfo } from './exchange-info.js';
import { type Body, KLINE_PARAMETERS, Klines } from './klines.js';
import { oneOrMore, readAll } from './parameters.js';
import type { BinanceSources } from './sources.js';
import { bookTickers, DAY_PARAMETERS, dayTickers, prices } from './tickers.js';
import { AGG_TRADE_PARAMETERS, aggTrades, TRADE_PARAMETERS, trades } from './trades.js';

export interface Endpoint {
  /** As Binance counts it. */
  weight(query: URLSearchParams): number;
  /** @throws ApiError */
  answer(query: URLSearchParams, plan: Entitlements | null): Body | Promise<Body>;
}

type Answer<P extends Parameters> = (
  sources: BinanceSources,
  weightLimit: number,
) => (given: Values<P>, plan: Entitlements | null) => Body | Promise<Body>;

/** What there is at a path. */
interface Declared {
  readonly parameters: Parameters;
  readonly weight: Endpoint['weight'];
  create(sources: BinanceSources, weightLimit: number): Endpoint['answer'];
}

function declare<P extends Parameters>(
  parameters: P,
  weight: number | Endpoint['weight'],
  answer: Answer<P>,
): Declared {
  return {
    parameters,
    weight: typeof weight === 'number' ? () => weight : weight,
    create: (sources, weightLimit) => {
      const work = answer(sources, weightLimit);
      return (query, plan) => work(readAll(query, parameters), plan);
    },
  };
}

const KLINES = declare(KLINE_PARAMETERS, 2, (sources) => {
  const klines = new Klines(sources);
  return (given, plan) => klines.answer(given, plan);
});

/** By path below /api/v3/. */
export const ENDPOINTS: Readonly<Record<string, Declared>> = {
  ping: declare({}, 1, () => () => '{}'),
  time: declare(
    {},
    1,
    ({ clock }) =>
      () =>
        `{"serverTime":${clock.now()}}`,
  ),
  exchangeInfo: declare(
    EXCHANGE_INFO_PARAMETERS,
    20,
    (sources, weightLimit) => (given) => exchangeInfo(given, sources, weightLimit),
  ),
  klines: KLINES,
  uiKlines: KLINES,
  trades: declare(TRADE_PARAMETERS, 25, (sources) => (given) => trades(given, sources)),
  aggTrades: declare(AGG_TRADE_PARAMETERS, 4, (sources) => (given) => aggTrades(given, sources)),
  'ticker/24hr': declare(DAY_PARAMETERS, dayWeight, (sources) => (given) => dayTickers(given, sources)),
  'ticker/price': declare(oneOrMore, pairWeight, (sources) => (given) => prices(given, sources)),
  'ticker/bookTicker': declare(oneOrMore, pairWeight, (sources) => (given) => bookTickers(given, sources)),
};

export function createEndpoints(sources: BinanceSources, weightLimit: number): ReadonlyMap<string, Endpoint> {
  return new Map(
    Object.entries(ENDPOINTS).map(([path, { weight, create }]) => [
      path,
      { weight, answer: create(sources, weightLimit) },
    ]),
  );
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
  const count = safely(() => oneOrMore.symbols.read(query.get('symbols') ?? '', 'symbols'))?.length ?? 0;
  return count <= 20 ? 2 : count <= 100 ? 40 : 80;
}

function safely<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
