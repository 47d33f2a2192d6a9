import type { WireCandle } from '../wire/messages.js';
import { isDaily } from './chart.js';
import { h } from './dom.js';
import {
  direction,
  formatChange,
  formatCount,
  formatDateTime,
  formatPrice,
  formatSpan,
  formatVolume,
} from './format.js';
import type { Reading } from './indicatorLayer.js';
import type { Market } from './market.js';

/** The candle under the crosshair (open time, ms), or the newest one, in the corner of the chart. */
export function showLegend(
  root: HTMLElement,
  market: Market,
  pointed: number | null,
  readings: (time: number) => readonly Reading[],
): void {
  const time = pointed ?? market.bars.last?.t;
  const found = time === undefined ? null : market.bars.at(time);
  const gap = time === undefined ? undefined : market.bars.gapAt(time);
  const parts = found === null ? [] : figures(market, found.candle, found.before);
  if (gap !== undefined) parts.push(h('span', { class: 'tag' }, `Feed away ${formatSpan(gap.from, gap.to)}`));
  if (pointed !== null) {
    parts.push(h('span', { class: 'when' }, `${formatDateTime(pointed, isDaily(market.interval))} UTC`));
  }
  const name = h('span', { class: 'name' }, market.symbol, h('small', {}, ` · ${market.interval}`));
  const indicators = time === undefined ? [] : readings(time).map((reading) => indicatorRow(reading, market.precision));
  root.replaceChildren(name, ...parts, ...indicators);
}

/** Change is against the close before; where there is none, against the open. */
function figures(market: Market, candle: WireCandle, before: WireCandle | undefined): HTMLElement[] {
  const base = before?.c ?? candle.o;
  const tone = direction(candle.o, candle.c);
  const price = (label: string, text: string) => pair(label, formatPrice(text, market.precision), tone);
  const parts = [
    price('O', candle.o),
    price('H', candle.h),
    price('L', candle.l),
    price('C', candle.c),
    h('span', { class: 'pair', 'data-direction': direction(base, candle.c) }, formatChange(base, candle.c)),
    pair('Vol', formatVolume(candle.v)),
    pair('Trades', formatCount(candle.n)),
  ];
  if (candle.r > 0) parts.push(h('span', { class: 'tag' }, candle.r === 1 ? 'Corrected' : `Corrected ${candle.r}×`));
  return parts;
}

/** One row an indicator, each figure in the colour of its line. */
function indicatorRow({ info, values }: Reading, precision: number): HTMLElement {
  const text = (value: number) =>
    info.place === 'price' ? formatPrice(value.toFixed(precision), precision) : value.toPrecision(4);
  const figures = info.lines.map(({ color }, i) => {
    const value = values[i] ?? null;
    return h('span', { class: `ind${color}` }, value === null ? '–' : text(value));
  });
  return h(
    'span',
    { class: 'indicator', 'data-place': info.place, 'data-testid': `legend-${info.id}` },
    h('i', {}, info.name),
    ...figures,
  );
}

function pair(label: string, value: string, tone?: string): HTMLElement {
  return h('span', { class: 'pair' }, h('i', {}, label), h('span', { 'data-direction': tone }, value));
}
