import { isSymbol } from '../../market/symbol.js';
import { fetchSymbols, type SymbolInfo, useToken } from '../api.js';
import { byId, setText } from '../dom.js';
import { showBanner } from '../notices.js';
import { Session } from '../session.js';
import { SymbolPicker } from '../symbols.js';
import { applyTheme, onSystemTheme, toggleTheme } from '../theme.js';
import { fetchMarketFigures, fetchSymbolFigures, type MarketFigures, type SymbolFigures } from './api.js';
import { Choice } from './choice.js';
import { showFacts } from './facts.js';
import { countText, dayText } from './format.js';
import { showHeatMap } from './heatMap.js';
import { HistoryChart } from './historyChart.js';
import { showLegend } from './legend.js';
import { showMovers, showVolume } from './marketTables.js';
import { showMonths, showWeekdays } from './seasons.js';

const PERIODS = [
  { label: '30D', days: 30 },
  { label: '90D', days: 90 },
  { label: '1Y', days: 365 },
  { label: '3Y', days: 1095 },
  { label: 'All', days: 4000 },
];
const WINDOWS = [
  { label: '1D', days: 1 },
  { label: '7D', days: 7 },
  { label: '30D', days: 30 },
  { label: '90D', days: 90 },
  { label: '1Y', days: 365 },
];
const DAY_MS = 86_400_000;
/** A day is there some seconds after it has ended; until it is, the page looks again. */
const LOOK_AGAIN_MS = 20_000;
const NO_DAY =
  'Days count when they are complete, at 00:00 UTC. They appear here by themselves, soon after that and within a minute of a start.';

/** What a test or the console can read from the page. */
export interface AnalyticsApi {
  state(): { symbol: string | null; loaded: boolean; marketLoaded: boolean };
  figures(): SymbolFigures | null;
  market(): MarketFigures | null;
}

/** The page of figures: loads what was chosen, and shows it. */
export class AnalyticsPage {
  readonly #session = new Session(() => {});
  readonly #periods: Choice;
  readonly #windows: Choice;
  readonly #symbols: SymbolPicker;
  readonly #chart: HistoryChart;
  #catalogue: ReadonlyMap<string, SymbolInfo> = new Map();
  #symbol: string | null = null;
  #figures: SymbolFigures | null = null;
  #market: MarketFigures | null = null;
  #symbolLoad = new AbortController();
  #marketLoad = new AbortController();
  /** UTC day of the latest load, counted from the epoch. */
  #loadedDay = 0;

  constructor() {
    this.#periods = new Choice(byId('periods'), PERIODS, 365, () => void this.#loadSymbol());
    this.#windows = new Choice(byId('windows'), WINDOWS, 30, () => void this.#loadMarket());
    const none = { day: () => undefined };
    this.#symbols = new SymbolPicker(
      none,
      (symbol) => this.#go(symbol),
      () => {},
    );
    this.#chart = new HistoryChart(byId('history-canvas'), (date) => {
      if (this.#figures !== null) showLegend(byId('history-legend'), this.#figures, date);
    });
  }

  async start(): Promise<void> {
    useToken(() => this.#session.token());
    window.addEventListener('hashchange', () => this.#navigate());
    byId('theme-button').addEventListener('click', () => {
      toggleTheme();
      this.#chart.applyColors();
    });
    onSystemTheme(() => {
      applyTheme();
      this.#chart.applyColors();
    });
    setInterval(() => this.#lookAgain(), LOOK_AGAIN_MS);
    await this.#session.restore();
    await this.#loadAll();
  }

  api(): AnalyticsApi {
    return {
      state: () => ({ symbol: this.#symbol, loaded: this.#figures !== null, marketLoaded: this.#market !== null }),
      figures: () => this.#figures,
      market: () => this.#market,
    };
  }

  async #loadAll(): Promise<void> {
    this.#loadedDay = Math.floor(Date.now() / DAY_MS);
    try {
      const symbols = await fetchSymbols();
      this.#catalogue = new Map(symbols.map((info) => [info.symbol, info]));
      this.#symbols.setSymbols(symbols);
    } catch (error) {
      this.#failed(error, () => void this.#loadAll());
      return;
    }
    this.#navigate();
    await this.#loadMarket();
  }

  /** By the address, so that back, forward and links work. */
  #go(symbol: string): void {
    location.hash = `#${symbol}`;
  }

  #navigate(): void {
    const named = decodeURIComponent(location.hash.slice(1)).toUpperCase();
    const symbol = isSymbol(named) ? named : ([...this.#catalogue.keys()][0] ?? null);
    if (symbol !== this.#symbol) this.#figures = null;
    this.#symbol = symbol;
    this.#symbols.setCurrent(symbol);
    setText(byId('symbol-name'), symbol ?? '—');
    setText(byId('symbol-title'), symbol ?? 'History');
    document.title = symbol === null ? 'Analytics · Candlecast' : `${symbol} · Analytics · Candlecast`;
    byId<HTMLAnchorElement>('chart-link').href = symbol === null ? '/' : `/#${symbol}/1d`;
    const synthetic = symbol !== null && this.#isSynthetic(symbol);
    byId('synthetic-badge').hidden = !synthetic;
    byId('watermark').hidden = !synthetic;
    if (symbol !== null) void this.#loadSymbol();
    else this.#showEmpty('No symbols yet', 'Start the server with a feed, such as FEEDS=demo.');
  }

  async #loadSymbol(): Promise<void> {
    const symbol = this.#symbol;
    if (symbol === null) return;
    this.#symbolLoad.abort();
    this.#symbolLoad = new AbortController();
    const { signal } = this.#symbolLoad;
    try {
      this.#figures = await fetchSymbolFigures(symbol, this.#periods.days, signal);
    } catch (error) {
      if (!signal.aborted) this.#failed(error, () => void this.#loadSymbol());
      return;
    }
    showBanner(null);
    this.#showSymbol(this.#figures);
  }

  async #loadMarket(): Promise<void> {
    this.#marketLoad.abort();
    this.#marketLoad = new AbortController();
    const { signal } = this.#marketLoad;
    try {
      this.#market = await fetchMarketFigures(this.#windows.days, signal);
    } catch (error) {
      if (!signal.aborted) this.#failed(error, () => void this.#loadMarket());
      return;
    }
    this.#showMarket(this.#market);
  }

  #showSymbol(figures: SymbolFigures): void {
    const { daily, volatility } = figures;
    const { days } = daily;
    if (days.length === 0) this.#showEmpty(`No whole day of ${daily.symbol} yet`, NO_DAY);
    else byId('history-empty').hidden = true;
    this.#chart.show(figures);
    showLegend(byId('history-legend'), figures, null);
    showFacts(byId('facts'), figures);
    showWeekdays(byId('weekdays'), figures.seasonality);
    showMonths(byId('months'), figures.seasonality);
    setText(byId('history-note'), noteOf(figures));
    byId('history-note').hidden = days.length === 0 || noteOf(figures) === '';
    byId('history-canvas').dataset.points = String(volatility.points.length);
  }

  #showMarket({ movers, volume, correlation }: MarketFigures): void {
    const all = [...this.#catalogue.keys()];
    const onlySynthetic = all.length > 0 && all.every((symbol) => this.#isSynthetic(symbol));
    byId('market-badge').hidden = !onlySynthetic;
    const marked = (symbol: string) => !onlySynthetic && this.#isSynthetic(symbol);
    const days = this.#windows.days;
    setText(byId('movers-hint'), spanText(movers, 'First open to last close'));
    setText(byId('volume-hint'), spanText(volume, 'Price × quantity, each in its quote currency'));
    setText(byId('correlation-hint'), spanText(correlation, 'Daily log returns, those that trade most'));
    showMovers(byId('movers'), movers, marked);
    showVolume(byId('volume'), volume, marked);
    showHeatMap(byId('correlation'), correlation);
    byId('movers').dataset.days = String(days);
  }

  #showEmpty(title: string, text: string): void {
    const place = byId('history-empty');
    const heading = document.createElement('h2');
    const words = document.createElement('p');
    heading.textContent = title;
    words.textContent = text;
    const card = document.createElement('div');
    card.className = 'card';
    card.append(heading, words);
    place.replaceChildren(card);
    place.hidden = false;
  }

  #failed(error: unknown, retry: () => void): void {
    const message = error instanceof Error ? error.message : String(error);
    showBanner(message, 'warn', { label: 'Retry', run: retry });
  }

  /** A new UTC day has begun, or there was nothing yet. */
  #lookAgain(): void {
    const isNewDay = Math.floor((Date.now() - LOOK_AGAIN_MS) / DAY_MS) > this.#loadedDay;
    const isEmpty = this.#figures?.daily.from === null || this.#market === null;
    if (isNewDay || isEmpty) void this.#loadAll();
  }

  #isSynthetic(symbol: string): boolean {
    return this.#catalogue.get(symbol)?.synthetic === true;
  }
}

/** What the chart does not show, and why. */
function noteOf({ daily, volatility }: SymbolFigures): string {
  const { days } = daily;
  if (volatility.points.some(({ realised }) => realised !== null)) return '';
  const needed = Math.ceil(volatility.window / 2);
  return `${countText(days.length, 'whole day')} so far: the volatility of ${volatility.window} days is drawn from ${needed} on. The day under way is added after 00:00 UTC.`;
}

/** @param to the day after the last */
function spanText({ from, to }: { from: string | null; to: string | null }, text: string): string {
  if (from === null || to === null) return `${text}. No whole day yet.`;
  const last = new Date(Date.parse(to) - DAY_MS).toISOString().slice(0, 10);
  return from === last ? `${text}, ${dayText(last)}` : `${text}, ${dayText(from)} – ${dayText(last)}`;
}
