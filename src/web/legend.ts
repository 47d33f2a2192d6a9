import type { Interval } from '../market/interval.js';
import type { WireCandle } from '../wire/messages.js';
import { h } from './dom.js';
import { direction, formatChange, formatCount, formatDateTime, formatPrice, formatVolume } from './format.js';

export interface LegendContent {
  readonly symbol: string;
  readonly interval: Interval;
  readonly precision: number;
  readonly daily: boolean;
  readonly candle: WireCandle;
  readonly before: WireCandle | undefined;
  /** The candle is under the crosshair: its time is shown. */
  readonly pointed: boolean;
}

/** The figures of one candle in the corner of the chart; change against the close before it. */
export function renderLegend(root: HTMLElement, content: LegendContent | null): void {
  if (content === null) {
    root.replaceChildren();
    return;
  }
  const { candle, precision } = content;
  const base = content.before?.c ?? candle.o;
  const tone = direction(candle.o, candle.c);
  const price = (text: string) => formatPrice(text, precision);
  const parts = [
    h('span', { class: 'name' }, content.symbol, h('small', {}, ` · ${content.interval}`)),
    pair('O', price(candle.o), tone),
    pair('H', price(candle.h), tone),
    pair('L', price(candle.l), tone),
    pair('C', price(candle.c), tone),
    h('span', { class: 'pair', 'data-direction': direction(base, candle.c) }, formatChange(base, candle.c)),
    pair('Vol', formatVolume(candle.v)),
    pair('Trades', formatCount(candle.n)),
    candle.r > 0 ? h('span', { class: 'tag' }, candle.r === 1 ? 'Corrected' : `Corrected ${candle.r}×`) : null,
    content.pointed ? h('span', { class: 'when' }, `${formatDateTime(candle.t, content.daily)} UTC`) : null,
  ];
  root.replaceChildren(...parts.filter((part) => part !== null));
}

function pair(label: string, value: string, tone?: string): HTMLElement {
  return h('span', { class: 'pair' }, h('i', {}, label), h('span', { 'data-direction': tone }, value));
}
