import { z } from 'zod';
import { ENDPOINTS } from '../binance/endpoints.js';
import { RETRY_AFTER } from './answers.js';
import type { Answer, Operation, Section } from './operation.js';

const WEIGHT = { 'X-MBX-USED-WEIGHT-1M': 'Request weight that the address has used in this minute.' };

const failure = z
  .strictObject({ code: z.int().negative(), msg: z.string() })
  .meta({ id: 'BinanceError', description: 'As Binance says it.' });
const failed = (description: string, headers: Answer['headers'] = {}): Answer => ({
  description,
  schema: failure,
  type: 'application/json',
  headers: { ...WEIGHT, ...headers },
});

const text = z.string();
const decimal = z.string().regex(/^-?\d+\.\d+$/);
const time = z.int();
const id = z.int();

const kline = z
  .tuple([time, decimal, decimal, decimal, decimal, decimal, time, decimal, z.int(), decimal, decimal, z.literal('0')])
  .meta({
    id: 'BinanceKline',
    description:
      'Open time, open, high, low, close, volume, close time, quote volume, trades, taker buy volume, taker buy quote volume, unused.',
  });

const trade = z.strictObject({
  id,
  price: decimal,
  qty: decimal,
  quoteQty: decimal,
  time,
  isBuyerMaker: z.boolean(),
  isBestMatch: z.literal(true),
});
const aggTrade = z
  .strictObject({ a: id, p: decimal, q: decimal, f: id, l: id, T: time, m: z.boolean(), M: z.literal(true) })
  .describe('Which trades came from one order is not known here: each is an aggregate of its own.');

const dayRange = {
  symbol: text,
  openPrice: decimal,
  highPrice: decimal,
  lowPrice: decimal,
  lastPrice: decimal,
  volume: decimal,
  quoteVolume: decimal,
  openTime: time,
  closeTime: time,
  firstId: id,
  lastId: id,
  count: z.int().nonnegative(),
};
const miniTicker = z.strictObject(dayRange);
const dayTicker = z
  .strictObject({
    ...dayRange,
    priceChange: decimal,
    priceChangePercent: decimal,
    weightedAvgPrice: decimal,
    prevClosePrice: decimal,
    lastQty: decimal,
    bidPrice: decimal,
    bidQty: decimal,
    askPrice: decimal,
    askQty: decimal,
  })
  .describe('What only an order book knows is zero.');
const price = z.strictObject({ symbol: text, price: decimal });
const book = z.strictObject({ symbol: text, bidPrice: decimal, bidQty: decimal, askPrice: decimal, askQty: decimal });

const priceFilter = z.strictObject({
  filterType: z.literal('PRICE_FILTER'),
  minPrice: decimal,
  maxPrice: decimal,
  tickSize: decimal,
});
const lotSize = z.strictObject({
  filterType: z.literal('LOT_SIZE'),
  minQty: decimal,
  maxQty: decimal,
  stepSize: decimal,
});
const precision = z.int().nonnegative();
const symbolInfo = z.strictObject({
  symbol: text,
  status: z.enum(['TRADING', 'BREAK']),
  baseAsset: text,
  baseAssetPrecision: precision,
  quoteAsset: text,
  quotePrecision: precision,
  quoteAssetPrecision: precision,
  baseCommissionPrecision: precision,
  quoteCommissionPrecision: precision,
  orderTypes: z.array(text),
  icebergAllowed: z.boolean(),
  ocoAllowed: z.boolean(),
  otoAllowed: z.boolean(),
  quoteOrderQtyMarketAllowed: z.boolean(),
  allowTrailingStop: z.boolean(),
  cancelReplaceAllowed: z.boolean(),
  amendAllowed: z.boolean(),
  isSpotTradingAllowed: z.boolean(),
  isMarginTradingAllowed: z.boolean(),
  filters: z.array(z.union([priceFilter, lotSize])),
  permissions: z.array(text),
  permissionSets: z.array(z.array(text)).exactOptional(),
  defaultSelfTradePreventionMode: text,
  allowedSelfTradePreventionModes: z.array(text),
});
const exchangeInfo = z.strictObject({
  timezone: z.literal('UTC'),
  serverTime: time,
  rateLimits: z.array(z.strictObject({ rateLimitType: text, interval: text, intervalNum: z.int(), limit: z.int() })),
  exchangeFilters: z.array(z.never()),
  symbols: z.array(symbolInfo),
});

const oneOrMore = <T extends z.ZodType>(schema: T) => z.union([schema, z.array(schema)]);

/** By path below /api/v3/. */
const ANSWERS: Readonly<Record<string, readonly [id: string, summary: string, schema: z.ZodType]>> = {
  ping: ['binancePing', 'Whether it answers', z.strictObject({})],
  time: ['binanceTime', 'The time of the server', z.strictObject({ serverTime: time })],
  exchangeInfo: ['binanceExchangeInfo', 'Symbols, and what clients look for in them', exchangeInfo],
  klines: ['binanceKlines', 'Klines', z.array(kline)],
  uiKlines: ['binanceUiKlines', 'Klines for charts: the same', z.array(kline)],
  trades: ['binanceTrades', 'The latest trades that are kept', z.array(trade)],
  aggTrades: ['binanceAggTrades', 'The same as aggregates', z.array(aggTrade)],
  'ticker/24hr': ['binanceDayTicker', 'The last 24 hours', oneOrMore(z.union([dayTicker, miniTicker]))],
  'ticker/price': ['binancePrice', 'The last price', oneOrMore(price)],
  'ticker/bookTicker': ['binanceBookTicker', 'An empty order book', oneOrMore(book)],
};

/** @throws where an endpoint has no answer here */
function describe(path: string): Operation {
  const { parameters = {} } = ENDPOINTS[path] ?? {};
  const [operationId, summary, schema] = ANSWERS[path] ?? [];
  if (operationId === undefined || summary === undefined || schema === undefined)
    throw new Error(`/api/v3/${path} is not described`);
  return {
    method: 'GET',
    path: `/api/v3/${path}`,
    id: operationId,
    summary,
    access: 'visitors',
    parameters,
    answers: {
      200: { description: 'As Binance answers.', schema, headers: WEIGHT },
      400: failed('A parameter is missing, unknown or wrong.'),
      401: failed('The token is not accepted, or the plan does not give it.'),
      429: failed('Too much request weight.', RETRY_AFTER),
      503: failed('Not now: try again later.', RETRY_AFTER),
    },
  };
}

export const binanceSection: Section = {
  name: 'Binance-compatible',
  description:
    "Binance's REST market data for spot, so that a client changes the host and nothing else. Its streams are at /ws and /stream.",
  operations: Object.keys(ENDPOINTS).map(describe),
};
