import { h } from '../dom.js';
import { formatPrice, formatVolume } from '../format.js';
import type { SymbolFigures } from './api.js';
import { dayText, decimalsOf, percent, signedPercent, toneOf } from './format.js';

/** The figures of one day, above the chart. @param date null: the newest */
export function showLegend(
  place: HTMLElement,
  { daily, drawdown, volatility }: SymbolFigures,
  date: string | null,
): void {
  const found = daily.days.findIndex((one) => one.date === date);
  const at = found < 0 ? daily.days.length - 1 : found;
  const day = daily.days[at];
  if (day === undefined) {
    place.replaceChildren();
    return;
  }
  const decimals = decimalsOf([day.open, day.high, day.low, day.close]);
  const price = (value: number) => formatPrice(value.toFixed(decimals), decimals);
  const point = volatility.points[at];
  place.replaceChildren(
    pair('', dayText(day.date)),
    pair('O', price(day.open)),
    pair('H', price(day.high)),
    pair('L', price(day.low)),
    pair('C', price(day.close)),
    pair('Vol', formatVolume(String(day.volume))),
    pair('Day', signedPercent(day.return), toneOf(day.return)),
    pair('Drawdown', signedPercent(drawdown.points[at]?.drawdown ?? null), 'down'),
    pair('Realised', percent(point?.realised ?? null), 'first'),
    pair('Parkinson', percent(point?.parkinson ?? null), 'second'),
  );
}

function pair(name: string, value: string, tone = 'flat'): HTMLElement {
  return h('span', { class: 'pair', 'data-direction': tone }, name === '' ? null : h('i', {}, name), value);
}
