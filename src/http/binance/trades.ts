import type { Trade } from '../../market/trade.js';
import { aggTradeRow, tradeRow } from '../../wire/binance/trade.js';
import type { Values } from '../../wire/parameter.js';
import { errors } from './error.js';
import { fromId, limit, symbol, time } from './parameters.js';
import type { BinanceSources } from './sources.js';

const MAX_TRADES = 1000;
export const TRADE_PARAMETERS = { limit: limit(MAX_TRADES), symbol } as const;
export const AGG_TRADE_PARAMETERS = {
  limit: limit(MAX_TRADES),
  fromId,
  startTime: time('Of the first; not beside `fromId`.'),
  endTime: time('Of the last; not beside `fromId`.'),
  symbol,
} as const;

/** GET /api/v3/trades?symbol&limit: the latest that are kept. */
export async function trades(given: Values<typeof TRADE_PARAMETERS>, sources: BinanceSources): Promise<string> {
  const recent = await recentOf(given.symbol, sources);
  return JSON.stringify(recent.slice(-given.limit).map(tradeRow));
}

/** GET /api/v3/aggTrades?symbol&fromId&startTime&endTime&limit: those of the latest that are kept. */
export async function aggTrades(given: Values<typeof AGG_TRADE_PARAMETERS>, sources: BinanceSources): Promise<string> {
  const { limit: most, fromId: first, startTime: start, endTime: end } = given;
  if (first !== null && (start !== null || end !== null)) throw errors.badCombination();
  const recent = await recentOf(given.symbol, sources);
  const found = recent.filter(
    (trade) =>
      (first === null || trade.id >= first) &&
      (start === null || trade.time >= start) &&
      (end === null || trade.time <= end),
  );
  const isForward = first !== null || start !== null;
  return JSON.stringify((isForward ? found.slice(0, most) : found.slice(-most)).map(aggTradeRow));
}

/** By id, as clients page through them. */
async function recentOf(name: string, { trades: source, symbols }: BinanceSources): Promise<readonly Trade[]> {
  if (!symbols().some((status) => status.symbol === name)) throw errors.badSymbol();
  if (source === null) throw errors.unsupported('This server has no single trades; it has klines and tickers.');
  return [...(await source.recent(name))].sort((a, b) => a.id - b.id);
}
