import type {
  CorrelationAnswer,
  DailyAnswer,
  DrawdownAnswer,
  MoversAnswer,
  SeasonalityAnswer,
  VolatilityAnswer,
} from '../../wire/analytics.js';

/** UTC days, as `2024-01-05`; returns and windows of the first days look back to `since`. `to` is the day after the last. */
export interface Days {
  readonly since: string;
  readonly from: string;
  readonly to: string;
}

/** First and last day that there is. */
export interface DaySpan {
  readonly first: string;
  readonly last: string;
}

export interface RankedSymbol {
  readonly rank: number;
  readonly symbol: string;
  readonly quoteVolume: number;
  readonly volume: number;
  readonly share: number | null;
  readonly days: number;
}

/** Everything rejects with `AnalyticsUnavailable` or `AnalyticsTooLarge` (by name) where it cannot be answered. */
export interface AnalyticsSource {
  /** Those of the symbols that have any day. */
  spans(symbols: readonly string[]): Promise<readonly (DaySpan & { readonly symbol: string })[]>;
  /** null: no symbol has a day. */
  marketSpan(): Promise<DaySpan | null>;
  daily(symbol: string, days: Days): Promise<Pick<DailyAnswer, 'days' | 'holes'>>;
  movers(days: Days, limit: number): Promise<Pick<MoversAnswer, 'gainers' | 'losers' | 'symbols' | 'leftOut'>>;
  volatility(
    symbol: string,
    days: Days,
    window: number,
  ): Promise<Pick<VolatilityAnswer, 'realised' | 'parkinson' | 'returns' | 'days' | 'points'>>;
  drawdown(symbol: string, days: Days): Promise<Pick<DrawdownAnswer, 'cumulativeReturn' | 'maxDrawdown' | 'points'>>;
  correlation(symbols: readonly string[], days: Days): Promise<Pick<CorrelationAnswer, 'matrix' | 'observations'>>;
  /** @param ending of the symbols; null: all */
  volume(
    days: Days,
    ending: string | null,
    limit: number,
  ): Promise<{ readonly ranking: readonly RankedSymbol[]; readonly symbols: number }>;
  seasonality(symbol: string, days: Days): Promise<Pick<SeasonalityAnswer, 'weekdays' | 'months'>>;
}
