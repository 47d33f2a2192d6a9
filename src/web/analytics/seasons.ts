import type { SeasonalityAnswer } from '../../wire/analytics.js';
import { h } from '../dom.js';
import { countText, percent, signedPercent, toneOf } from './format.js';

const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const NO_WEEKDAYS = 'Needs two whole days in a row. The next one is complete at 00:00 UTC.';
const NO_MONTHS = 'Needs a whole calendar month, and the last day of the one before.';

type Season = Omit<SeasonalityAnswer['weekdays'][number], 'weekday'>;

export function showWeekdays(list: HTMLElement, { weekdays }: SeasonalityAnswer): void {
  showBars(list, weekdays, WEEKDAYS, 2, NO_WEEKDAYS);
}

export function showMonths(list: HTMLElement, { months }: SeasonalityAnswer): void {
  showBars(list, months, MONTHS, 1, NO_MONTHS);
}

/** Bars up and down from a common line; the longest fills its half. */
function showBars(
  list: HTMLElement,
  seasons: readonly Season[],
  names: readonly string[],
  decimals: number,
  none: string,
): void {
  if (seasons.every(({ returns }) => returns === 0)) {
    list.replaceChildren(h('li', { class: 'nothing' }, none));
    return;
  }
  const longest = Math.max(...seasons.map(({ mean }) => Math.abs(mean ?? 0)));
  list.replaceChildren(...seasons.map((season, i) => bar(season, names[i] ?? '', decimals, longest)));
}

function bar(
  { mean, median, positive, returns }: Season,
  name: string,
  decimals: number,
  longest: number,
): HTMLElement {
  const rod = h('span', { class: 'rod', 'data-direction': toneOf(mean) });
  rod.style.setProperty('--part', String(longest === 0 ? 0 : Math.abs(mean ?? 0) / longest));
  const details =
    returns === 0
      ? `${name}: no return yet`
      : `${name}: mean ${signedPercent(mean)}, median ${signedPercent(median)}, ${percent(positive)} of ${countText(returns, 'return')} above zero`;
  return h(
    'li',
    { title: details },
    h('span', { class: 'value', 'data-direction': toneOf(mean) }, signedPercent(mean, decimals)),
    h('span', { class: 'track', 'aria-hidden': 'true' }, rod),
    h('span', { class: 'season' }, name),
  );
}
