import { FRACTION_UNITS } from '../../kit/decimal.js';
import { MINUTE_MS } from '../../market/interval.js';
import type { Trade } from '../../market/trade.js';
import type { Market } from './markets.js';
import { levelAt, volatilityAt } from './path.js';
import { hash, hashText, Random } from './random.js';

/** Trade ids are minute × this + index, so that they are unique, ascending and the same in every run. */
const IDS_PER_MINUTE = 10_000;
const TRADES_SEED = 0x7ade;
/** Share of trades that follow the one before them within the same millisecond, as sweeps of a book do. */
const SWEEP_SHARE = 0.2;
/** How much of a trade's deviation from the path the next one keeps. */
const MEMORY = 0.85;

/** Every trade of a market in one minute (minutes since the epoch), ascending; the same however often it is asked for. */
export function tradesOfMinute(market: Market, seed: number, minute: number): Trade[] {
  const own = hashText(market.symbol, seed);
  const random = new Random(hash(own ^ TRADES_SEED, minute, 0));
  const from = levelAt(own, minute, market.sigma);
  const move = levelAt(own, minute + 1, market.sigma) - from;
  const volatility = volatilityAt(own, minute);
  const count = tradeCount(market, random, volatility, move);
  const base = market.price * Math.exp(from);
  const swing = market.sigma * volatility * 0.6;
  const size = market.quantity * (0.6 + 0.4 * volatility);
  const buyShare = 0.5 + Math.max(-0.3, Math.min(0.3, (move / market.sigma) * 0.12));
  const trades: Trade[] = [];
  let deviation = random.normal();
  let time = 0;
  for (let i = 0; i < count; i++) {
    if (i === 0 || random.next() >= SWEEP_SHARE) time = Math.floor(((i + random.next()) / count) * MINUTE_MS);
    const part = time / MINUTE_MS;
    deviation = deviation * MEMORY + random.normal() * 0.5;
    const path = base * (1 + move * part + swing * deviation * Math.sqrt(part * (1 - part)));
    const buys = random.next() < buyShare;
    trades.push(makeTrade(market, minute, i, time, path, size * Math.exp(random.normal() * 1.1), buys));
  }
  return trades;
}

/** More trades in wild minutes, and in those that go somewhere. */
function tradeCount(market: Market, random: Random, volatility: number, move: number): number {
  const drive = Math.min(4, 0.45 + 0.35 * volatility + (0.2 * Math.abs(move)) / market.sigma);
  return Math.min(IDS_PER_MINUTE - 1, random.poisson(market.rate * 60 * drive));
}

/** A buyer pays the tick above the path, a seller gets the one below. */
function makeTrade(
  market: Market,
  minute: number,
  index: number,
  offsetMs: number,
  path: number,
  size: number,
  buys: boolean,
): Trade {
  const ticks = (path * FRACTION_UNITS) / market.tick;
  const price = Math.max(1, buys ? Math.ceil(ticks) : Math.floor(ticks)) * market.tick;
  const quantity = Math.max(1, Math.round((size * FRACTION_UNITS) / market.step)) * market.step;
  const priceWhole = Math.floor(price / FRACTION_UNITS);
  const quantityWhole = Math.floor(quantity / FRACTION_UNITS);
  return {
    symbol: market.symbol,
    id: minute * IDS_PER_MINUTE + index,
    time: minute * MINUTE_MS + offsetMs,
    priceWhole,
    priceFraction: price - priceWhole * FRACTION_UNITS,
    quantityWhole,
    quantityFraction: quantity - quantityWhole * FRACTION_UNITS,
    takerSide: buys ? 'buy' : 'sell',
  };
}
