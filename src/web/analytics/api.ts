import type {
  CorrelationAnswer,
  DailyAnswer,
  DrawdownAnswer,
  MoversAnswer,
  SeasonalityAnswer,
  VolatilityAnswer,
  VolumeAnswer,
} from '../../wire/analytics.js';
import { getJson } from '../api.js';

/** Everything about one symbol. */
export interface SymbolFigures {
  readonly daily: DailyAnswer;
  readonly drawdown: DrawdownAnswer;
  readonly volatility: VolatilityAnswer;
  readonly seasonality: SeasonalityAnswer;
}

export interface MarketFigures {
  readonly movers: MoversAnswer;
  readonly volume: VolumeAnswer;
  readonly correlation: CorrelationAnswer;
}

/** Correlations of fewer days than this say little. */
const FEWEST_CORRELATED_DAYS = 30;
const VOLUME_ROWS = 10;
const MOVER_ROWS = 8;

/** Rejects with a sentence for people. Seasons come from everything there is: a part of a year has none. */
export async function fetchSymbolFigures(symbol: string, days: number, signal: AbortSignal): Promise<SymbolFigures> {
  const of = `symbol=${encodeURIComponent(symbol)}&days=${days}`;
  const [daily, drawdown, volatility, seasonality] = await Promise.all([
    ask(`daily?${of}`, signal) as Promise<DailyAnswer>,
    ask(`drawdown?${of}`, signal) as Promise<DrawdownAnswer>,
    ask(`volatility?${of}`, signal) as Promise<VolatilityAnswer>,
    ask(`seasonality?symbol=${encodeURIComponent(symbol)}`, signal) as Promise<SeasonalityAnswer>,
  ]);
  return { daily, drawdown, volatility, seasonality };
}

/** Rejects with a sentence for people. */
export async function fetchMarketFigures(days: number, signal: AbortSignal): Promise<MarketFigures> {
  const [movers, volume, correlation] = await Promise.all([
    ask(`movers?days=${days}&limit=${MOVER_ROWS}`, signal) as Promise<MoversAnswer>,
    ask(`volume?days=${days}&limit=${VOLUME_ROWS}`, signal) as Promise<VolumeAnswer>,
    ask(`correlation?days=${Math.max(days, FEWEST_CORRELATED_DAYS)}`, signal) as Promise<CorrelationAnswer>,
  ]);
  return { movers, volume, correlation };
}

function ask(question: string, signal: AbortSignal): Promise<unknown> {
  return getJson(`/v1/analytics/${question}`, signal);
}
