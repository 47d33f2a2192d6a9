import { fromScaled, toScaled } from '../kit/scaled.js';
import type { Candle } from './candle.js';

/** A candle of a length that is no interval of ours, or that does not begin where ours do. `end` is exclusive, epoch ms. */
export interface Rollup extends Omit<Candle, 'interval'> {
  readonly end: number;
}

/** One candle of all that are given, which ascend and are at least one. `closed` is left to the caller. */
export function rollUp(candles: readonly Candle[], openTime: number, end: number, closed: boolean): Rollup | null {
  const [first, last] = [candles[0], candles.at(-1)];
  if (first === undefined || last === undefined) return null;
  const traded = candles.filter((candle) => candle.trades > 0);
  const sum = (of: (candle: Candle) => string, decimals: number): string =>
    fromScaled(
      candles.reduce((total, candle) => total + toScaled(of(candle)), 0n),
      decimals,
    );
  return {
    symbol: first.symbol,
    openTime,
    end,
    open: first.open,
    high: extreme(candles, (candle) => candle.high, 1),
    low: extreme(candles, (candle) => candle.low, -1),
    close: last.close,
    volume: sum((candle) => candle.volume, 8),
    quoteVolume: sum((candle) => candle.quoteVolume, 16),
    takerBuyVolume: sum((candle) => candle.takerBuyVolume, 8),
    takerBuyQuoteVolume: sum((candle) => candle.takerBuyQuoteVolume, 16),
    trades: candles.reduce((count, candle) => count + candle.trades, 0),
    firstTradeId: traded[0]?.firstTradeId ?? null,
    lastTradeId: traded.at(-1)?.lastTradeId ?? null,
    firstTradeTime: traded[0]?.firstTradeTime ?? null,
    lastTradeTime: traded.at(-1)?.lastTradeTime ?? null,
    closed,
    revision: candles.reduce((count, candle) => count + candle.revision, 0),
    seq: candles.reduce((most, candle) => Math.max(most, candle.seq), 0),
  };
}

function extreme(candles: readonly Candle[], of: (candle: Candle) => string, sign: 1 | -1): string {
  let best = '';
  let value: bigint | null = null;
  for (const candle of candles) {
    const text = of(candle);
    const scaled = toScaled(text);
    if (value !== null && (sign === 1 ? scaled <= value : scaled >= value)) continue;
    best = text;
    value = scaled;
  }
  return best;
}
