import { createSeriesMarkers, type ISeriesApi, type SeriesMarker, type UTCTimestamp } from 'lightweight-charts';
import { bucketStart, type Interval } from '../market/interval.js';
import type { WireSignal } from '../wire/signals.js';

type Side = 'buy' | 'sell' | 'none';

const BUY = /\b(buy|long)\b/i;
const SELL = /\b(sell|short)\b/i;

/** The user's signals on the candles in which they were made: arrows for those that say a side, dots for the others. */
export class SignalMarkers {
  readonly #plugin;
  #signals: readonly WireSignal[] = [];
  #interval: Interval = '1m';
  #colors: Readonly<Record<Side, string>> = { buy: '', sell: '', none: '' };

  constructor(series: ISeriesApi<'Candlestick', UTCTimestamp>) {
    this.#plugin = createSeriesMarkers(series, []);
  }

  show(signals: readonly WireSignal[], interval: Interval): void {
    this.#signals = signals;
    this.#interval = interval;
    this.#draw();
  }

  style(colors: Readonly<Record<Side, string>>): void {
    this.#colors = colors;
    this.#draw();
  }

  /** What is drawn; times in seconds. */
  drawn(): { time: number; text: string }[] {
    return this.#plugin.markers().map(({ time, text }) => ({ time: Number(time), text: text ?? '' }));
  }

  #draw(): void {
    const groups = new Map<string, WireSignal[]>();
    for (const signal of this.#signals) {
      const key = `${bucketStart(this.#interval, signal.createdAt)} ${sideOf(signal)}`;
      groups.set(key, [...(groups.get(key) ?? []), signal]);
    }
    const markers = [...groups.values()].map((group) => this.#marker(group));
    this.#plugin.setMarkers(markers.sort((a, b) => Number(a.time) - Number(b.time)));
  }

  /** One for all that would stand on the same place. */
  #marker(group: readonly WireSignal[]): SeriesMarker<UTCTimestamp> {
    const [first] = group;
    const side = first === undefined ? 'none' : sideOf(first);
    const more = group.length > 1 ? ` +${group.length - 1}` : '';
    return {
      time: (bucketStart(this.#interval, first?.createdAt ?? 0) / 1000) as UTCTimestamp,
      position: side === 'buy' ? 'belowBar' : 'aboveBar',
      shape: side === 'buy' ? 'arrowUp' : side === 'sell' ? 'arrowDown' : 'circle',
      color: this.#colors[side],
      text: `${first?.type ?? ''}${more}`,
    };
  }
}

function sideOf({ type, data }: WireSignal): Side {
  const words = `${type} ${String(data?.side ?? '')} ${String(data?.action ?? '')}`.replaceAll(/[._-]/g, ' ');
  if (BUY.test(words)) return 'buy';
  return SELL.test(words) ? 'sell' : 'none';
}
