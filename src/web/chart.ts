import {
  type CandlestickData,
  CandlestickSeries,
  ColorType,
  CrosshairMode,
  createChart,
  type HistogramData,
  HistogramSeries,
  type IChartApi,
  type ISeriesApi,
  type UTCTimestamp,
  type WhitespaceData,
} from 'lightweight-charts';
import { bucketStart, DAY_MS, INTERVAL_MS, type Interval } from '../market/interval.js';
import type { WireCandle } from '../wire/messages.js';
import { type Bars, type Change, holeTimes } from './bars.js';
import { formatDateTime, formatPrice, formatSpan, formatVolume } from './format.js';
import { type Band, GapBands } from './gapBands.js';
import { IndicatorLayer } from './indicatorLayer.js';
import type { IndicatorId } from './indicators.js';
import { SignalMarkers } from './markers.js';

/** Older candles are asked for while this many are still left of the visible part. */
const PREFETCH_BARS = 150;
const BAR_SPACING_PX = 8;
const RIGHT_OFFSET_BARS = 6;
const MIN_VISIBLE_BARS = 10;

type Whitespace = WhitespaceData<UTCTimestamp>;

/** A bar as it stands on screen; time in seconds. */
export interface ScreenBar {
  time: number;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
}

export interface ChartEvents {
  /** The candle under the crosshair, by its open time (ms); null when the pointer left. */
  onCrosshair(openTime: number | null): void;
  /** The visible part comes near the oldest candle. */
  onNearStart(): void;
  /** Whether the newest candle is in sight. */
  onFollowing(following: boolean): void;
}

/** The drawing: candles above, volume below, indicators, signals, bands where the feed was away. Knows nothing of where candles come from. */
export class ChartView {
  readonly #chart: IChartApi;
  readonly #candles: ISeriesApi<'Candlestick', UTCTimestamp>;
  readonly #volume: ISeriesApi<'Histogram', UTCTimestamp>;
  readonly #bands: GapBands;
  readonly indicators: IndicatorLayer;
  readonly markers: SignalMarkers;
  readonly #events: ChartEvents;
  #daily = false;
  #colors = { upVolume: '', downVolume: '' };
  #bars: Bars | null = null;
  /** Places on the time scale, whitespace included, ms. */
  #times: number[] = [];

  constructor(container: HTMLElement, events: ChartEvents) {
    this.#events = events;
    this.#chart = createChart(container, {
      autoSize: true,
      crosshair: { mode: CrosshairMode.Normal },
      timeScale: { rightOffset: RIGHT_OFFSET_BARS, barSpacing: BAR_SPACING_PX, minBarSpacing: 1, borderVisible: false },
      rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.16, bottom: 0.08 } },
      localization: { timeFormatter: (time: number) => formatDateTime(time * 1000, this.#daily) },
    });
    this.#candles = this.#chart.addSeries(CandlestickSeries) as ISeriesApi<'Candlestick', UTCTimestamp>;
    this.#volume = this.#chart.addSeries(
      HistogramSeries,
      {
        priceLineVisible: false,
        lastValueVisible: false,
        priceFormat: { type: 'custom', minMove: 1e-8, formatter: (v: number) => formatVolume(String(Math.max(0, v))) },
      },
      1,
    ) as ISeriesApi<'Histogram', UTCTimestamp>;
    this.#bands = new GapBands(this.#chart);
    this.indicators = new IndicatorLayer(this.#chart);
    this.markers = new SignalMarkers(this.#candles);
    const [pricePane, volumePane] = this.#chart.panes();
    pricePane?.attachPrimitive(this.#bands);
    pricePane?.setStretchFactor(5);
    volumePane?.setStretchFactor(1);
    this.#volume.priceScale().applyOptions({ scaleMargins: { top: 0.24, bottom: 0 } });
    this.#listen();
    this.applyColors();
  }

  /** Shows other bars from their newest on; `precision` in decimals of a price. */
  show(bars: Bars, precision: number): void {
    this.#bars = bars;
    this.#daily = isDaily(bars.interval);
    this.#chart.applyOptions({ timeScale: { timeVisible: !this.#daily, secondsVisible: false } });
    this.setPrecision(precision);
    this.#setData();
    const scale = this.#chart.timeScale();
    scale.applyOptions({ barSpacing: BAR_SPACING_PX, rightOffset: RIGHT_OFFSET_BARS });
    scale.resetTimeScale();
    this.#chart.priceScale('right').setAutoScale(true);
  }

  setPrecision(precision: number): void {
    const formatter = (price: number) => formatPrice(price.toFixed(precision), precision);
    this.#candles.applyOptions({ priceFormat: { type: 'custom', minMove: 10 ** -precision, formatter } });
    this.indicators.setPriceFormat(formatter);
  }

  /** Shows these indicators and no others. */
  setIndicators(ids: readonly IndicatorId[]): void {
    this.indicators.choose(ids, this.#bars?.candles ?? []);
  }

  /** Follows a change of the bars it shows; the visible part stays where it is. */
  update(change: Change, candle: WireCandle): void {
    if (change === 'all') {
      this.#setData();
      return;
    }
    const historical = change === 'corrected';
    const time = seconds(candle.t);
    if (this.#times.at(-1) !== candle.t && !historical) this.#times.push(candle.t);
    this.#candles.update(candlePoint(candle, time), historical);
    this.#volume.update(this.#volumePoint(candle, time), historical);
    // A corrected candle changes every average after it.
    if (historical) this.indicators.setAll(this.#bars?.candles ?? []);
    else this.indicators.update(candle);
  }

  /** After many changes at once, or new gaps. */
  refresh(): void {
    this.#setData();
  }

  toLatest(): void {
    this.#chart.timeScale().scrollToRealTime();
  }

  /** Moves by a part of the visible width (negative: to older candles). */
  scrollBy(bars: number): void {
    const scale = this.#chart.timeScale();
    scale.scrollToPosition(scale.scrollPosition() + bars, false);
  }

  /** Shows `factor` times as many bars, the right edge held. */
  zoom(factor: number): void {
    const scale = this.#chart.timeScale();
    const range = scale.getVisibleLogicalRange();
    if (range === null) return;
    const bars = Math.max(MIN_VISIBLE_BARS, (range.to - range.from) * factor);
    scale.setVisibleLogicalRange({ from: range.to - bars, to: range.to });
  }

  /** First and last visible place as open times, ms; null while there is nothing. */
  visibleTimes(): { from: number; to: number } | null {
    const range = this.#chart.timeScale().getVisibleRange();
    return range === null ? null : { from: Number(range.from) * 1000, to: Number(range.to) * 1000 };
  }

  /** What the series hold, whitespace left out. */
  screenBars(): ScreenBar[] {
    const volumes = new Map(this.#volume.data().map((point) => [point.time, 'value' in point ? point.value : 0]));
    return this.#candles.data().flatMap((point) => {
      if (!('open' in point)) return [];
      const { time, open, high, low, close } = point;
      return [{ time, open, high, low, close, volume: volumes.get(time) ?? 0 }];
    });
  }

  /** Takes the colours of the page's theme. */
  applyColors(): void {
    const style = getComputedStyle(document.documentElement);
    const css = (name: string) => style.getPropertyValue(name).trim();
    const [up, down, grid, muted] = [css('--up'), css('--down'), css('--grid'), css('--muted')];
    const fontFamily = css('--font');
    this.#colors = { upVolume: css('--up-volume'), downVolume: css('--down-volume') };
    this.#chart.applyOptions({
      layout: {
        background: { type: ColorType.Solid, color: css('--surface') },
        textColor: css('--text-2'),
        fontFamily,
        fontSize: 11,
        panes: { separatorColor: css('--line-solid'), separatorHoverColor: css('--hover-solid'), enableResize: true },
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
    this.#bands.style(css('--warn'), `11px ${fontFamily}`);
    this.indicators.style(css);
    this.markers.style({ buy: up, sell: down, none: css('--accent') });
    if (this.#bars !== null) this.#setData();
  }

  #listen(): void {
    this.#chart.subscribeCrosshairMove((event) => {
      this.#events.onCrosshair(event.time === undefined ? null : Number(event.time) * 1000);
    });
    this.#chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      if (range === null) return;
      this.#events.onFollowing(range.to >= this.#times.length - 1);
      if (range.from < PREFETCH_BARS) this.#events.onNearStart();
    });
  }

  #setData(): void {
    const bars = this.#bars;
    if (bars === null) return;
    const candles: (CandlestickData<UTCTimestamp> | Whitespace)[] = [];
    const volumes: (HistogramData<UTCTimestamp> | Whitespace)[] = [];
    this.#times = [];
    let before: number | null = null;
    for (const candle of bars.candles) {
      for (const hole of before === null ? [] : holeTimes(bars.interval, before, candle.t)) {
        this.#times.push(hole);
        candles.push({ time: seconds(hole) });
        volumes.push({ time: seconds(hole) });
      }
      this.#times.push(candle.t);
      const time = seconds(candle.t);
      candles.push(candlePoint(candle, time));
      volumes.push(this.#volumePoint(candle, time));
      before = candle.t;
    }
    this.#bands.set(this.#bandsOf(bars));
    this.#candles.setData(candles);
    this.#volume.setData(volumes);
    this.indicators.setAll(bars.candles);
  }

  #bandsOf(bars: Bars): Band[] {
    return bars.gaps.flatMap((gap) => {
      const first = this.#times.findIndex((time) => time >= bucketStart(bars.interval, gap.from));
      const last = this.#times.findLastIndex((time) => time < gap.to);
      if (first < 0 || last < first) return [];
      return [{ first, last, label: `Feed away ${formatSpan(gap.from, gap.to)}` }];
    });
  }

  #volumePoint(candle: WireCandle, time: UTCTimestamp): HistogramData<UTCTimestamp> {
    const up = Number(candle.c) >= Number(candle.o);
    return { time, value: Number(candle.v), color: up ? this.#colors.upVolume : this.#colors.downVolume };
  }
}

function seconds(timeMs: number): UTCTimestamp {
  return (timeMs / 1000) as UTCTimestamp;
}

function candlePoint(candle: WireCandle, time: UTCTimestamp): CandlestickData<UTCTimestamp> {
  return { time, open: Number(candle.o), high: Number(candle.h), low: Number(candle.l), close: Number(candle.c) };
}

export function isDaily(interval: Interval): boolean {
  const length = INTERVAL_MS[interval];
  return length === null || length >= DAY_MS;
}
