import { correlation } from './correlation.js';
import { daily } from './daily.js';
import { drawdown } from './drawdown.js';
import { movers } from './movers.js';
import type { Period, Reads } from './period.js';
import { seasonality } from './seasonality.js';
import { marketSpan, spans } from './spans.js';
import { volatility } from './volatility.js';
import { volume } from './volume.js';

/** Every question to `daily_ohlcv`. They throw what `rows` throws. */
export class AnalyticsQueries {
  constructor(private readonly database: Reads) {}

  spans(symbols: readonly string[]) {
    return spans(this.database, symbols);
  }

  marketSpan() {
    return marketSpan(this.database);
  }

  daily(symbol: string, period: Period) {
    return daily(this.database, symbol, period);
  }

  movers(period: Period, limit: number) {
    return movers(this.database, period, limit);
  }

  volatility(symbol: string, period: Period, window: number) {
    return volatility(this.database, symbol, period, window);
  }

  drawdown(symbol: string, period: Period) {
    return drawdown(this.database, symbol, period);
  }

  correlation(symbols: readonly string[], period: Period) {
    return correlation(this.database, symbols, period);
  }

  volume(period: Period, ending: string | null, limit: number) {
    return volume(this.database, period, ending, limit);
  }

  seasonality(symbol: string, period: Period) {
    return seasonality(this.database, symbol, period);
  }
}
