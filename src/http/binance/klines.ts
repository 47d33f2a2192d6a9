import type { Candle } from '../../market/candle.js';
import { isAligned } from '../../market/shifted.js';
import { candleRow } from '../../wire/binance/kline.js';
import type { Entitlements } from '../../wire/identity.js';
import type { Values } from '../../wire/parameter.js';
import { oldestOf } from '../candles.js';
import { errors } from './error.js';
import { KlineBodies } from './kline-bodies.js';
import { FAR_MS, interval, limit, symbol, time, timeZone } from './parameters.js';
import type { KlineRange } from './range.js';
import { shiftedKlines } from './shifted-klines.js';
import type { BinanceSources } from './sources.js';

/** JSON, or the bytes of it. */
export type Body = string | Uint8Array;

export const MAX_KLINES = 1000;
export const KLINE_PARAMETERS = {
  endTime: time('The last open time.'),
  symbol,
  interval,
  timeZone,
  startTime: time('The first open time; without it come the latest.'),
  limit: limit(MAX_KLINES),
} as const;
/** As many as a channel keeps in memory: what asks for more, or for older ones, is read from the store. */
const HOT_LIMIT = 500;

/** GET /api/v3/klines and /uiKlines. */
export class Klines {
  readonly #sources: BinanceSources;
  readonly #bodies = new KlineBodies();

  constructor(sources: BinanceSources) {
    this.#sources = sources;
  }

  /** At once where the answer is in memory. */
  answer(given: Values<typeof KLINE_PARAMETERS>, plan: Entitlements | null): Body | Promise<Body> {
    const range = rangeOf(given);
    if (plan?.intervals?.includes(range.interval) === false)
      throw errors.notAuthorized(`The plan ${plan.plan} gives the intervals ${plan.intervals.join(' ')}.`);
    const isLatest = range.from === null && range.to === null && isAligned(range);
    if (isLatest && range.limit <= HOT_LIMIT && (plan === null || plan.historyDays === null))
      return this.#latest(range);
    return this.#read(range, plan);
  }

  #latest(range: KlineRange): Body | Promise<Body> {
    const { symbol, interval, limit } = range;
    const hot = this.#sources.hot.hot(symbol, interval);
    if (hot !== null && (hot.whole || hot.closed.length + (hot.open === null ? 0 : 1) >= limit))
      return this.#bodies.of(symbol, interval, limit, hot);
    return this.#load(range);
  }

  async #load({ symbol, interval, limit }: KlineRange): Promise<Body> {
    const candles = await this.#sources.hot.latest(symbol, interval, limit);
    if (candles === null) throw errors.badSymbol();
    return rowsOf(candles.slice(-limit));
  }

  async #read(asked: KlineRange, plan: Entitlements | null): Promise<string> {
    const { market } = this.#sources;
    const oldest = await oldestOf(market, asked, plan);
    const from = asked.from === null ? null : Math.max(asked.from, oldest);
    if (from !== null && (from >= FAR_MS || (asked.to !== null && from >= asked.to))) {
      await this.#requireSymbol(asked);
      return '[]';
    }
    const range = { ...asked, from };
    if (!isAligned(range)) return shiftedKlines(market, range, oldest);
    const bounds = { ...(from === null ? {} : { from }), ...(range.to === null ? {} : { to: range.to }) };
    const found = await market.query(range.symbol, range.interval, { ...bounds, limit: range.limit });
    if (!found.known) throw errors.badSymbol();
    return rowsOf(found.candles.filter(({ openTime }) => openTime >= oldest));
  }

  async #requireSymbol({ symbol, interval }: KlineRange): Promise<void> {
    const { known } = await this.#sources.market.query(symbol, interval, { limit: 1 });
    if (!known) throw errors.badSymbol();
  }
}

function rangeOf(given: Values<typeof KLINE_PARAMETERS>): KlineRange {
  const { symbol, interval, timeZone: offsetMs, startTime: from, endTime, limit } = given;
  return { symbol, interval, offsetMs, from, to: endTime === null ? null : endTime + 1, limit };
}

export function rowsOf(candles: readonly Candle[]): string {
  return `[${candles.map(candleRow).join(',')}]`;
}
