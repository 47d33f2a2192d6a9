import type { Rollup } from '../../market/rollup.js';

/**
 * Candles as Binance writes them. `x` and the open candle are as ours; `B` and the last field of a row are unused there too. Volumes
 * have eight decimals; quote volumes are cut to them.
 * @see https://developers.binance.com/docs/binance-spot-api-docs
 */

/** The payload of a kline event. `interval` is the name that was asked for; `eventTime` is epoch ms. */
export function klineEvent(candle: Rollup, interval: string, eventTime: number): string {
  const c = candle;
  const ids = `"f":${c.firstTradeId ?? -1},"L":${c.lastTradeId ?? -1}`;
  const prices = `"o":"${c.open}","c":"${c.close}","h":"${c.high}","l":"${c.low}","v":"${c.volume}"`;
  const volumes = `"q":"${cut(c.quoteVolume)}","V":"${c.takerBuyVolume}","Q":"${cut(c.takerBuyQuoteVolume)}","B":"0"`;
  const k = `{"t":${c.openTime},"T":${c.end - 1},"s":"${c.symbol}","i":"${interval}",${ids},${prices},"n":${c.trades},"x":${c.closed},${volumes}}`;
  return `{"e":"kline","E":${eventTime},"s":"${c.symbol}","k":${k}}`;
}

/** A row of /api/v3/klines. */
export function klineRow(c: Rollup): string {
  const quote = `"${cut(c.quoteVolume)}",${c.trades},"${c.takerBuyVolume}","${cut(c.takerBuyQuoteVolume)}","0"`;
  return `[${c.openTime},"${c.open}","${c.high}","${c.low}","${c.close}","${c.volume}",${c.end - 1},${quote}]`;
}

/** Sixteen decimals to eight. */
export function cut(quoteVolume: string): string {
  return quoteVolume.slice(0, -8);
}
