import {
  BaselineSeries,
  CandlestickSeries,
  ColorType,
  createChart,
  type IChartApi,
  type ISeriesApi,
  LineSeries,
  type LineWidth,
  type UTCTimestamp,
} from 'lightweight-charts';
import { DAY_MS } from '../../market/interval.js';
import { formatDateTime, formatPrice } from '../format.js';
import type { SymbolFigures } from './api.js';
import { decimalsOf, percent, signedPercent } from './format.js';

/** Fewer do not fill the width. */
const FEW_DAYS = 30;
const SCALE_MARGINS = { top: 0.1, bottom: 0.1 };
const QUIET = { priceLineVisible: false, lastValueVisible: false };
const LINE_WIDTH = 2 as LineWidth;

/** Daily candles, below them the drawdown, below that both volatilities, over one time scale. */
export class HistoryChart {
  readonly #chart: IChartApi;
  readonly #candles: ISeriesApi<'Candlestick'>;
  readonly #drawdown: ISeriesApi<'Baseline'>;
  /** Realised and Parkinson; null while there is neither. */
  #volatilities: readonly [ISeriesApi<'Line'>, ISeriesApi<'Line'>] | null = null;

  /** @param onPoint the day under the crosshair, as `2024-01-05`; null: none */
  constructor(container: HTMLElement, onPoint: (date: string | null) => void) {
    this.#chart = createChart(container, {
      autoSize: true,
      timeScale: { borderVisible: false, timeVisible: false, minBarSpacing: 0.1 },
      rightPriceScale: { borderVisible: false, scaleMargins: SCALE_MARGINS },
      handleScroll: { vertTouchDrag: false, mouseWheel: false },
      handleScale: { mouseWheel: false },
      localization: { timeFormatter: (time: number) => formatDateTime(time * 1000, true) },
    });
    this.#candles = this.#chart.addSeries(CandlestickSeries, QUIET);
    const drawdownFormat = { type: 'custom' as const, minMove: 0.001, formatter: (v: number) => signedPercent(v, 1) };
    this.#drawdown = this.#chart.addSeries(
      BaselineSeries,
      { ...QUIET, priceFormat: drawdownFormat, baseValue: { type: 'price', price: 0 }, lineWidth: LINE_WIDTH },
      1,
    );
    this.#drawdown.priceScale().applyOptions({ scaleMargins: SCALE_MARGINS });
    this.#stretch();
    this.#chart.subscribeCrosshairMove(({ time }) => {
      onPoint(time === undefined ? null : new Date(Number(time) * 1000).toISOString().slice(0, 10));
    });
    this.applyColors();
  }

  show({ daily, drawdown, volatility }: SymbolFigures): void {
    const decimals = decimalsOf(daily.days.flatMap(({ high, low, close }) => [high, low, close]));
    const formatter = (price: number) => formatPrice(price.toFixed(decimals), decimals);
    this.#candles.applyOptions({ priceFormat: { type: 'custom', minMove: 10 ** -decimals, formatter } });
    // Missing days keep their places, empty.
    const missing = daily.holes.flatMap(({ from, to }) => daysBetween(from, to)).map((time) => ({ time }));
    const candles = daily.days.map(({ date, open, high, low, close }) => ({
      time: seconds(date),
      open,
      high,
      low,
      close,
    }));
    this.#candles.setData([...candles, ...missing].sort((a, b) => a.time - b.time));
    this.#drawdown.setData(drawdown.points.map((point) => ({ time: seconds(point.date), value: point.drawdown })));
    this.#showVolatilities(volatility.points);
    this.#place(candles.length + missing.length);
  }

  /** The days fill the width; few of them stand in its middle. */
  #place(days: number): void {
    const scale = this.#chart.timeScale();
    const empty = Math.max(0, FEW_DAYS - days) / 2;
    scale.setVisibleLogicalRange({ from: -0.5 - empty, to: days - 0.5 + empty });
  }

  #showVolatilities(points: SymbolFigures['volatility']['points']): void {
    const line = (name: 'realised' | 'parkinson') =>
      points.map(({ date, [name]: value }) => ({ time: seconds(date), ...(value === null ? {} : { value }) }));
    if (points.every(({ realised, parkinson }) => realised === null && parkinson === null)) {
      // The pane goes with its last series.
      for (const series of this.#volatilities ?? []) this.#chart.removeSeries(series);
      this.#volatilities = null;
      return;
    }
    this.#volatilities ??= this.#addVolatilities();
    const [realised, parkinson] = this.#volatilities;
    realised.setData(line('realised'));
    parkinson.setData(line('parkinson'));
  }

  #addVolatilities(): readonly [ISeriesApi<'Line'>, ISeriesApi<'Line'>] {
    const priceFormat = { type: 'custom' as const, minMove: 0.001, formatter: percent };
    const add = () => this.#chart.addSeries(LineSeries, { ...QUIET, priceFormat, lineWidth: LINE_WIDTH }, 2);
    const both = [add(), add()] as const;
    both[0].priceScale().applyOptions({ scaleMargins: SCALE_MARGINS });
    this.#stretch();
    this.#volatilities = both;
    this.applyColors();
    return both;
  }

  #stretch(): void {
    for (const [i, pane] of this.#chart.panes().entries()) pane.setStretchFactor(i === 0 ? 5 : 2);
  }

  /** Takes the colours of the page's theme. */
  applyColors(): void {
    const style = getComputedStyle(document.documentElement);
    const css = (name: string) => style.getPropertyValue(name).trim();
    const [up, down, grid, muted] = [css('--up'), css('--down'), css('--grid'), css('--muted')];
    this.#chart.applyOptions({
      layout: {
        background: { type: ColorType.Solid, color: css('--surface') },
        textColor: css('--text-2'),
        fontFamily: css('--font'),
        fontSize: 11,
        panes: { separatorColor: css('--line-solid'), enableResize: false },
      },
      grid: { vertLines: { color: grid }, horzLines: { color: grid } },
      crosshair: {
        vertLine: { color: muted, labelBackgroundColor: css('--tag') },
        horzLine: { color: muted, labelBackgroundColor: css('--tag') },
      },
    });
    this.#candles.applyOptions({
      upColor: up,
      downColor: down,
      wickUpColor: up,
      wickDownColor: down,
      borderVisible: false,
    });
    const fill = css('--down-volume');
    this.#drawdown.applyOptions({
      topLineColor: down,
      bottomLineColor: down,
      bottomFillColor1: fill,
      bottomFillColor2: fill,
    });
    for (const [i, series] of (this.#volatilities ?? []).entries())
      series.applyOptions({ color: css(`--ind-${i + 1}`) });
  }
}

function seconds(date: string): UTCTimestamp {
  return (Date.parse(date) / 1000) as UTCTimestamp;
}

function daysBetween(from: string, to: string): UTCTimestamp[] {
  const count = (Date.parse(to) - Date.parse(from)) / DAY_MS;
  return Array.from({ length: count }, (_, i) => ((Date.parse(from) + i * DAY_MS) / 1000) as UTCTimestamp);
}
