import type { MoversAnswer, VolumeAnswer } from '../../wire/analytics.js';
import { h } from '../dom.js';
import { formatPrice, formatVolume } from '../format.js';
import { decimalsOf, percent, signedPercent, toneOf } from './format.js';

type Mover = MoversAnswer['gainers'][number];
/** Whether a symbol is made up. */
type IsSynthetic = (symbol: string) => boolean;

export function showMovers(place: HTMLElement, { gainers, losers }: MoversAnswer, isSynthetic: IsSynthetic): void {
  place.replaceChildren(
    list('Gainers', 'gainers', gainers, 'Nothing has risen.', isSynthetic),
    list('Losers', 'losers', losers, 'Nothing has fallen.', isSynthetic),
  );
}

function list(
  title: string,
  id: string,
  movers: readonly Mover[],
  none: string,
  isSynthetic: IsSynthetic,
): HTMLElement {
  const rows = movers.map(({ symbol, close, change }) => {
    const decimals = decimalsOf([close]);
    return h(
      'tr',
      {},
      symbolCell(symbol, isSynthetic),
      h('td', {}, formatPrice(close.toFixed(decimals), decimals)),
      h('td', { 'data-direction': toneOf(change) }, signedPercent(change)),
    );
  });
  return h(
    'div',
    { 'data-testid': id },
    h('h3', {}, title),
    rows.length === 0 ? h('p', { class: 'nothing' }, none) : table(['Symbol', 'Close', 'Change'], rows),
  );
}

export function showVolume(place: HTMLElement, { ranking }: VolumeAnswer, isSynthetic: IsSynthetic): void {
  const rows = ranking.map(({ rank, symbol, quote, quoteVolume, share }) => {
    const bar = h('span', { class: 'share', 'aria-hidden': 'true' });
    bar.style.setProperty('--part', String(share ?? 0));
    return h(
      'tr',
      {},
      h('td', { class: 'rank' }, String(rank)),
      symbolCell(symbol, isSynthetic),
      h('td', {}, `${formatVolume(String(quoteVolume))} ${quote ?? ''}`),
      h('td', { class: 'shares' }, bar, percent(share)),
    );
  });
  place.replaceChildren(table(['#', 'Symbol', 'Volume', 'Share'], rows));
}

function table(columns: readonly string[], rows: readonly HTMLElement[]): HTMLElement {
  const head = h('tr', {}, ...columns.map((column) => h('th', { scope: 'col' }, column)));
  return h('table', { class: 'figures' }, h('thead', {}, head), h('tbody', {}, ...rows));
}

function symbolCell(symbol: string, isSynthetic: IsSynthetic): HTMLElement {
  const badge = isSynthetic(symbol) ? h('span', { class: 'synthetic' }, 'Synthetic') : null;
  return h('th', { scope: 'row' }, h('a', { href: `#${symbol}` }, symbol), badge);
}
