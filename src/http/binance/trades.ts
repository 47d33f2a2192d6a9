import type { Trade } from '../../market/trade.js';
import { aggTradeRow, tradeRow } from '../../wire/binance/trade.js';
import { errors } from './error.js';
import { type Given, readId, readLimit, readSymbol, readTime } from './parameters.js';
import type { BinanceSources } from './sources.js';

export const TRADE_PARAMETERS = ['symbol', 'limit'];
export const AGG_TRADE_PARAMETERS = ['symbol', 'fromId', 'startTime', 'endTime', 'limit'];
const MAX_TRADES = 1000;

/** GET /api/v3/trades?symbol&limit: the latest that are kept. */
export async function trades(given: Given, sources: BinanceSources): Promise<string> {
  const limit = readLimit(given, MAX_TRADES);
  const recent = await recentOf(readSymbol(given), sources);
  return JSON.stringify(recent.slice(-limit).map(tradeRow));
}

/** GET /api/v3/aggTrades?symbol&fromId&startTime&endTime&limit: those of the latest that are kept. */
export async function aggTrades(given: Given, sources: BinanceSources): Promise<string> {
  const limit = readLimit(given, MAX_TRADES);
  const fromId = readId(given, 'fromId');
  const [start, end] = [readTime(given, 'startTime'), readTime(given, 'endTime')];
  if (fromId !== null && (start !== null || end !== null)) throw errors.badCombination();
  const recent = await recentOf(readSymbol(given), sources);
  const found = recent.filter(
    ({ id, time }) =>
      (fromId === null || id >= fromId) && (start === null || time >= start) && (end === null || time <= end),
  );
  const isForward = fromId !== null || start !== null;
  return JSON.stringify((isForward ? found.slice(0, limit) : found.slice(-limit)).map(aggTradeRow));
}

/** By id, as clients page through them. */
async function recentOf(symbol: string, { trades: source, symbols }: BinanceSources): Promise<readonly Trade[]> {
  if (!symbols().some((status) => status.symbol === symbol)) throw errors.badSymbol();
  if (source === null) throw errors.unsupported('This server has no single trades; it has klines and tickers.');
  return [...(await source.recent(symbol))].sort((a, b) => a.id - b.id);
}
