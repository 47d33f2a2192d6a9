import {
  HistogramSeries,
  type IChartApi,
  type ISeriesApi,
  LineSeries,
  type SeriesType,
  type UTCTimestamp,
} from 'lightweight-charts';
import type { WireCandle } from '../wire/messages.js';
import {
  type Calculation,
  calculation,
  INDICATORS,
  type IndicatorId,
  type IndicatorInfo,
  type Values,
} from './indicators.js';

/** Below candles and volume. */
const FIRST_OWN_PANE = 2;
const OWN_PANE_STRETCH = 1.3;
const LINE_WIDTH = 1.5;

type Css = (name: string) => string;
type Series = ISeriesApi<SeriesType>;

interface Shown {
  readonly info: IndicatorInfo;
  readonly series: readonly Series[];
  calculate: Calculation;
  readonly values: Map<number, Values>;
}

/** An indicator's figures at one candle. */
export interface Reading {
  readonly info: IndicatorInfo;
  readonly values: Values;
}

/** Lines drawn from the closes of the candles, which they follow as these do. */
export class IndicatorLayer {
  readonly #chart: IChartApi;
  #shown: Shown[] = [];
  #css: Css = () => '';
  #formatPrice: (price: number) => string = String;
  /** Open time of the newest candle taken, ms. */
  #last: number | null = null;

  constructor(chart: IChartApi) {
    this.#chart = chart;
  }

  /** Shows these and no others, computed from `candles`. */
  choose(ids: readonly IndicatorId[], candles: readonly WireCandle[]): void {
    for (const { series } of this.#shown.toReversed())
      for (const one of series.toReversed()) this.#chart.removeSeries(one);
    this.#shown = [];
    let pane = FIRST_OWN_PANE;
    for (const info of INDICATORS) {
      if (!ids.includes(info.id)) continue;
      this.#shown.push(this.#add(info, info.place === 'price' ? 0 : pane++));
    }
    for (const own of this.#chart.panes().slice(FIRST_OWN_PANE)) own.setStretchFactor(OWN_PANE_STRETCH);
    this.style(this.#css);
    this.setPriceFormat(this.#formatPrice);
    this.setAll(candles);
  }

  /** Computes everything anew. */
  setAll(candles: readonly WireCandle[]): void {
    for (const shown of this.#shown) {
      shown.calculate = calculation(shown.info.id);
      shown.values.clear();
      for (const candle of candles) shown.values.set(candle.t, shown.calculate(Number(candle.c), false));
      for (const [i, series] of shown.series.entries()) {
        const points = [...shown.values].flatMap(([t, values]) => this.#point(t, values[i]));
        series.setData(points);
      }
    }
    this.#last = candles.at(-1)?.t ?? null;
  }

  /** The newest candle as it stands, or the one after it. */
  update(candle: WireCandle): void {
    const replace = candle.t === this.#last;
    this.#last = candle.t;
    for (const shown of this.#shown) {
      const values = shown.calculate(Number(candle.c), replace);
      shown.values.set(candle.t, values);
      for (const [i, series] of shown.series.entries())
        for (const point of this.#point(candle.t, values[i])) series.update(point);
    }
  }

  /** What is shown says at the candle that opens at `time`, ms. */
  readings(time: number): Reading[] {
    return this.#shown.flatMap(({ info, values }) => {
      const found = values.get(time);
      return found === undefined || found.every((value) => value === null) ? [] : [{ info, values: found }];
    });
  }

  style(css: Css): void {
    this.#css = css;
    for (const { info, series } of this.#shown)
      for (const [i, one] of series.entries()) one.applyOptions({ color: css(info.lines[i]?.color ?? '') });
  }

  setPriceFormat(format: (price: number) => string): void {
    this.#formatPrice = format;
    for (const { info, series } of this.#shown) {
      if (info.place !== 'price') continue;
      for (const one of series)
        one.applyOptions({ priceFormat: { type: 'custom', minMove: 1e-8, formatter: (v: number) => format(v) } });
    }
  }

  #add(info: IndicatorInfo, pane: number): Shown {
    const series = info.lines.map(({ kind }) => {
      const quiet = { priceLineVisible: false, lastValueVisible: false, crosshairMarkerVisible: false };
      const added =
        kind === 'line'
          ? this.#chart.addSeries(LineSeries, { ...quiet, lineWidth: LINE_WIDTH as 1 }, pane)
          : this.#chart.addSeries(HistogramSeries, { priceLineVisible: false, lastValueVisible: false }, pane);
      return added;
    });
    return { info, series, calculate: calculation(info.id), values: new Map() };
  }

  #point(timeMs: number, value: number | null | undefined): { time: UTCTimestamp; value: number }[] {
    return value === null || value === undefined ? [] : [{ time: (timeMs / 1000) as UTCTimestamp, value }];
  }
}
