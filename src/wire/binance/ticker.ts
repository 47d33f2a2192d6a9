import type { DayStats } from '../../market/rolling-day.js';

/** Tickers as Binance writes them. What only an order book knows, bids, asks and the size of the last trade, is zero. */

const ZERO = '0.00000000';

export function tickerEvent(day: DayStats, eventTime: number): string {
  const d = day;
  const prices = `"p":"${d.change}","P":"${d.changePercent}","w":"${d.weightedAverage}","x":"${d.previousClose}","c":"${d.last}"`;
  const book = `"Q":"${ZERO}","b":"${ZERO}","B":"${ZERO}","a":"${ZERO}","A":"${ZERO}"`;
  const times = `"O":${d.openTime},"C":${d.closeTime},"F":${d.firstTradeId},"L":${d.lastTradeId},"n":${d.trades}`;
  return `{"e":"24hrTicker","E":${eventTime},"s":"${d.symbol}",${prices},${book},${rangeOf(d)},${times}}`;
}

export function miniTickerEvent(day: DayStats, eventTime: number): string {
  return `{"e":"24hrMiniTicker","E":${eventTime},"s":"${day.symbol}","c":"${day.last}",${rangeOf(day)}}`;
}

function rangeOf(d: DayStats): string {
  return `"o":"${d.open}","h":"${d.high}","l":"${d.low}","v":"${d.volume}","q":"${d.quoteVolume}"`;
}

/** An object of /api/v3/ticker/24hr. */
export function dayTicker(d: DayStats, type: 'FULL' | 'MINI') {
  const { symbol, openTime, closeTime, firstTradeId: firstId, lastTradeId: lastId, trades: count } = d;
  const range = { openPrice: d.open, highPrice: d.high, lowPrice: d.low };
  const volumes = { volume: d.volume, quoteVolume: d.quoteVolume };
  const counts = { openTime, closeTime, firstId, lastId, count };
  if (type === 'MINI') return { symbol, ...range, lastPrice: d.last, ...volumes, ...counts };
  return {
    symbol,
    priceChange: d.change,
    priceChangePercent: d.changePercent,
    weightedAvgPrice: d.weightedAverage,
    prevClosePrice: d.previousClose,
    lastPrice: d.last,
    lastQty: ZERO,
    bidPrice: ZERO,
    bidQty: ZERO,
    askPrice: ZERO,
    askQty: ZERO,
    ...range,
    ...volumes,
    ...counts,
  };
}
