import { INTERVALS, type Interval, isInterval } from '../market/interval.js';
import { byId, h } from './dom.js';
import { attachPopover } from './popover.js';

/** Kept in sight on small screens; the others move into a menu. */
const COMMON: ReadonlySet<Interval> = new Set<Interval>(['1m', '5m', '15m', '1h', '4h', '1d']);
const NAMES: Readonly<Record<string, string>> = { m: 'minute', h: 'hour', d: 'day', w: 'week', M: 'month' };

/** The row of intervals (a radio group: arrow keys move, one is chosen) and the menu of the rest. */
export class IntervalPicker {
  readonly #row = byId('intervals');
  readonly #menu = byId('more-panel');
  readonly #choose: (interval: Interval) => void;

  constructor(choose: (interval: Interval) => void) {
    this.#choose = choose;
    this.#row.append(...INTERVALS.map((interval) => option(interval, 'interval')));
    this.#menu.append(...INTERVALS.filter((i) => !COMMON.has(i)).map((interval) => option(interval, 'more-interval')));
    for (const root of [this.#row, this.#menu]) root.addEventListener('click', (event) => this.#clicked(event));
    this.#row.addEventListener('keydown', (event) => this.#key(event));
    const focusChosen = () => this.#menu.querySelector<HTMLElement>('[aria-checked="true"], .interval')?.focus();
    attachPopover(byId('more-button'), this.#menu, focusChosen, () => {});
  }

  show(interval: Interval): void {
    for (const button of document.querySelectorAll<HTMLElement>('.interval')) {
      const chosen = button.dataset.interval === interval;
      button.setAttribute('aria-checked', String(chosen));
      button.tabIndex = chosen || button.parentElement === this.#menu ? 0 : -1;
    }
  }

  #clicked(event: Event): void {
    const interval = event.target instanceof HTMLElement ? event.target.dataset.interval : undefined;
    if (interval === undefined || !isInterval(interval)) return;
    if (this.#menu.matches(':popover-open')) this.#menu.hidePopover();
    this.#choose(interval);
  }

  #key(event: KeyboardEvent): void {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    const shown = [...this.#row.querySelectorAll<HTMLElement>('.interval')].filter((b) => b.offsetParent !== null);
    const at = shown.indexOf(document.activeElement as HTMLElement);
    const next = shown[(at + step + shown.length) % shown.length];
    next?.focus();
    next?.click();
  }
}

function option(interval: Interval, testId: string): HTMLElement {
  return h(
    'button',
    {
      type: 'button',
      class: 'interval',
      role: 'radio',
      'aria-checked': 'false',
      'aria-label': spoken(interval),
      'data-interval': interval,
      'data-common': String(COMMON.has(interval)),
      'data-testid': `${testId}-${interval}`,
    },
    interval,
  );
}

function spoken(interval: Interval): string {
  const count = Number.parseInt(interval, 10);
  return `${count} ${NAMES[interval.slice(-1)] ?? ''}${count === 1 ? '' : 's'}`;
}
