import type { CorrelationAnswer } from '../../wire/analytics.js';
import { h } from '../dom.js';

const NONE =
  'Correlation needs at least 3 days on which two symbols both have a return: 4 whole days in a row. It appears here by itself.';

/** Every symbol with every other: green moves along, red moves against. */
export function showHeatMap(place: HTMLElement, { symbols, matrix, observations }: CorrelationAnswer): void {
  const isEmpty = matrix.every((row, i) => row.every((value, j) => i === j || value === null));
  if (isEmpty) {
    place.replaceChildren(h('p', { class: 'nothing' }, NONE));
    return;
  }
  const head = h('tr', {}, h('td', {}), ...symbols.map((symbol) => h('th', { scope: 'col' }, h('span', {}, symbol))));
  const rows = symbols.map((symbol, i) =>
    h(
      'tr',
      {},
      h('th', { scope: 'row' }, h('a', { href: `#${symbol}` }, symbol)),
      ...symbols.map((other, j) => cell(symbol, other, matrix[i]?.[j] ?? null, observations[i]?.[j] ?? 0)),
    ),
  );
  place.replaceChildren(h('table', { class: 'heat' }, h('thead', {}, head), h('tbody', {}, ...rows)));
}

function cell(symbol: string, other: string, value: number | null, days: number): HTMLElement {
  const isSelf = symbol === other;
  const title = isSelf ? symbol : `${symbol} and ${other}: ${value?.toFixed(3) ?? 'too few days'}, ${days} days`;
  const place = h(
    'td',
    { title, 'data-sign': isSelf ? 'self' : value === null ? 'none' : value < 0 ? 'against' : 'along' },
    isSelf ? '' : (value?.toFixed(2).replace('-', '\u2212') ?? '–'),
  );
  place.style.setProperty('--strength', `${Math.round(Math.abs(value ?? 0) * 100)}%`);
  return place;
}
