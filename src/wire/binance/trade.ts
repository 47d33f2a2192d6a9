import { formatDecimal } from '../../kit/decimal.js';
import { fromScaled, toScaled } from '../../kit/scaled.js';
import type { Trade } from '../../market/trade.js';

/** Single trades as Binance writes them. Which trades came from one order is not known here: each is an aggregate of its own. */

export function tradeEvent(trade: Trade, eventTime: number): string {
  const { symbol, id, time } = trade;
  const size = `"p":"${priceOf(trade)}","q":"${quantityOf(trade)}"`;
  return `{"e":"trade","E":${eventTime},"s":"${symbol}","t":${id},${size},"T":${time},"m":${isMaker(trade)},"M":true}`;
}

export function aggTradeEvent(trade: Trade, eventTime: number): string {
  const { symbol, id, time } = trade;
  const size = `"p":"${priceOf(trade)}","q":"${quantityOf(trade)}","f":${id},"l":${id}`;
  return `{"e":"aggTrade","E":${eventTime},"s":"${symbol}","a":${id},${size},"T":${time},"m":${isMaker(trade)},"M":true}`;
}

/** An object of /api/v3/trades. */
export function tradeRow(trade: Trade) {
  const [price, qty] = [priceOf(trade), quantityOf(trade)];
  const quoteQty = fromScaled((toScaled(price) * toScaled(qty)) / 100_000_000n, 8);
  const { id, time } = trade;
  return { id, price, qty, quoteQty, time, isBuyerMaker: isMaker(trade), isBestMatch: true };
}

/** An object of /api/v3/aggTrades. */
export function aggTradeRow(trade: Trade) {
  const { id, time } = trade;
  return { a: id, p: priceOf(trade), q: quantityOf(trade), f: id, l: id, T: time, m: isMaker(trade), M: true };
}

function priceOf({ priceWhole, priceFraction }: Trade): string {
  return formatDecimal(priceWhole, priceFraction);
}

function quantityOf({ quantityWhole, quantityFraction }: Trade): string {
  return formatDecimal(quantityWhole, quantityFraction);
}

/** The buyer's order was waiting: the taker sold. */
function isMaker({ takerSide }: Trade): boolean {
  return takerSide === 'sell';
}
