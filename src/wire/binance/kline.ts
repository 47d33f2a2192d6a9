import type { Candle } from '../../market/candle.js';
import { bucketEnd } from '../../market/interval.js';
import type { Rollup } from '../../market/rollup.js';

/**
 * Candles as Binance writes them. `x` and the open candle are as ours; `B` and the last field of a row are unused there too. Volumes
 * have eight decimals; quote volumes are cut to them.
 * @see https://developers.binance.com/docs/binance-spot-api-docs
 */

type Kline = Omit<Candle, 'interval'>;

/** The payload of a kline event. `interval` is the name that was asked for; `eventTime` is epoch ms. */
export function klineEvent(kline: Rollup, interval: string, eventTime: number): string {
  return event(kline, kline.end, interval, eventTime);
}

/** That of a candle as it is. */
export function candleEvent(candle: Candle, interval: string, eventTime: number): string {
  return event(candle, bucketEnd(candle.interval, candle.openTime), interval, eventTime);
}

/** A row of /api/v3/klines. */
export function klineRow(kline: Rollup): string {
  return row(kline, kline.end);
}

/** That of a candle as it is. */
export function candleRow(candle: Candle): string {
  return row(candle, bucketEnd(candle.interval, candle.openTime));
}

function event(c: Kline, end: number, interval: string, eventTime: number): string {
  const ids = `"f":${c.firstTradeId ?? -1},"L":${c.lastTradeId ?? -1}`;
  const prices = `"o":"${c.open}","c":"${c.close}","h":"${c.high}","l":"${c.low}","v":"${c.volume}"`;
  const volumes = `"q":"${cut(c.quoteVolume)}","V":"${c.takerBuyVolume}","Q":"${cut(c.takerBuyQuoteVolume)}","B":"0"`;
  const k = `{"t":${c.openTime},"T":${end - 1},"s":"${c.symbol}","i":"${interval}",${ids},${prices},"n":${c.trades},"x":${c.closed},${volumes}}`;
  return `{"e":"kline","E":${eventTime},"s":"${c.symbol}","k":${k}}`;
}

function row(c: Kline, end: number): string {
  const quote = `"${cut(c.quoteVolume)}",${c.trades},"${c.takerBuyVolume}","${cut(c.takerBuyQuoteVolume)}","0"`;
  return `[${c.openTime},"${c.open}","${c.high}","${c.low}","${c.close}","${c.volume}",${end - 1},${quote}]`;
}

/** Sixteen decimals to eight. */
export function cut(quoteVolume: string): string {
  return quoteVolume.slice(0, -8);
}
